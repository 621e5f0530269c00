-- Journals: entries in chunks, one per subject and commit, and what is known of each subject.

CREATE TABLE journal_subjects (
    subject         text    COLLATE "C" NOT NULL PRIMARY KEY,
    last_seq        bigint  NOT NULL DEFAULT 0,
    stored_bytes    bigint  NOT NULL DEFAULT 0,
    is_full         boolean NOT NULL DEFAULT false,
    is_sealed       boolean NOT NULL DEFAULT false,
    sources         bytea   NOT NULL DEFAULT '[]'   -- JSON [[attempt, stream, last source_seq], …]
) WITH (fillfactor = 70);

CREATE TABLE journal_chunks (
    subject         text    COLLATE "C" NOT NULL,
    last_seq        bigint  NOT NULL,
    first_seq       bigint  NOT NULL,
    size_bytes      bigint  NOT NULL,               -- as entries are counted, so that a page reads no more than it gives
    entries         bytea   NOT NULL,               -- JSON [entry, …], first_seq to last_seq without a gap
    PRIMARY KEY (subject, last_seq)
);
