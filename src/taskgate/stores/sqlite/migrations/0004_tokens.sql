-- Keys of one worker, invitations of workers, and tokens that were taken back.

ALTER TABLE keys ADD COLUMN worker_id TEXT NOT NULL DEFAULT '';

CREATE TABLE invitations (
    id              TEXT    NOT NULL PRIMARY KEY,
    secret_sha256   BLOB    NOT NULL,
    site_id         TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,           -- JSON
    worker_id       TEXT    NOT NULL,           -- '': the worker names itself
    key_days        REAL,                       -- NULL: the worker's key does not end by itself
    created_at      REAL    NOT NULL,
    created_by      TEXT    NOT NULL,
    expires_at      REAL    NOT NULL,
    used_at         REAL                        -- set once, by the one who may honour it
) STRICT;

CREATE TABLE revocations (
    name            TEXT    NOT NULL PRIMARY KEY,
    before          REAL    NOT NULL,           -- what was issued until then is refused
    keep_until      REAL    NOT NULL,           -- nothing it could refuse lives longer
    noted_at        REAL    NOT NULL            -- by the clock of the store
) STRICT;

CREATE INDEX revocations_noted ON revocations (noted_at);
