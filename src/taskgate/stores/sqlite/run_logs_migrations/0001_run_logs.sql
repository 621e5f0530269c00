-- Uploaded logs: what is known of each, and its bytes in pieces.

CREATE TABLE run_logs (
    id          INTEGER NOT NULL PRIMARY KEY,
    run_id      TEXT    NOT NULL,
    attempt     INTEGER NOT NULL,
    stream      TEXT    NOT NULL,
    size_bytes  INTEGER NOT NULL,
    piece_count INTEGER NOT NULL,
    sha256      TEXT    NOT NULL,           -- of the whole, in hex, once it is closed
    writer      TEXT    NOT NULL
);

CREATE UNIQUE INDEX run_logs_of_run ON run_logs (run_id, attempt, stream);

CREATE TABLE pieces (
    id          INTEGER NOT NULL PRIMARY KEY,   -- pages of large rows stay out of the index
    log_id      INTEGER NOT NULL,
    first_byte  INTEGER NOT NULL,
    content     BLOB    NOT NULL
);

CREATE UNIQUE INDEX pieces_of_log ON pieces (log_id, first_byte);
