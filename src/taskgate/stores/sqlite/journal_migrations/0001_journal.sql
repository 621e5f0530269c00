-- Journals: entries in chunks, one per subject and commit, and what is known of each subject.

CREATE TABLE chunks (
    subject     TEXT    NOT NULL,
    last_seq    INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    entries     BLOB    NOT NULL,           -- JSON [entry, …], first_seq to last_seq without a gap
    PRIMARY KEY (subject, last_seq)
) WITHOUT ROWID;

CREATE TABLE subjects (
    subject         TEXT    NOT NULL PRIMARY KEY,
    last_seq        INTEGER NOT NULL,
    stored_bytes    INTEGER NOT NULL,
    is_full         INTEGER NOT NULL,
    sources         TEXT    NOT NULL        -- JSON [[attempt, stream, last source_seq], …]
) WITHOUT ROWID;
