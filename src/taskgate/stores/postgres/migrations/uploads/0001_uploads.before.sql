-- Uploaded logs: what is known of each, and its bytes in pieces.

CREATE TABLE run_logs (
    run_id          text    COLLATE "C" NOT NULL,
    attempt         integer NOT NULL,
    stream          text    COLLATE "C" NOT NULL,
    size_bytes      bigint  NOT NULL DEFAULT 0,
    piece_count     integer NOT NULL DEFAULT 0,
    sha256          text    NOT NULL DEFAULT '',    -- of the whole, in hex, once it is closed
    writer          text    NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, attempt, stream)
) WITH (fillfactor = 70);

CREATE TABLE run_log_pieces (
    run_id          text    COLLATE "C" NOT NULL,
    attempt         integer NOT NULL,
    stream          text    COLLATE "C" NOT NULL,
    first_byte      bigint  NOT NULL,
    content         bytea   NOT NULL,
    PRIMARY KEY (run_id, attempt, stream, first_byte)
);

-- A part of a piece is read without unpacking all of it.
ALTER TABLE run_log_pieces ALTER COLUMN content SET STORAGE EXTERNAL;
