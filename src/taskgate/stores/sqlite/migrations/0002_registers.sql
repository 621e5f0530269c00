-- What changes rarely: task definitions, API keys, workers ever seen, leaders.

CREATE TABLE definitions (
    digest      TEXT    NOT NULL PRIMARY KEY,
    content     BLOB    NOT NULL                -- the definition as JSON; kept for ever, runs name it by digest
) STRICT;

CREATE TABLE current_definitions (
    site_id     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    saved       INTEGER NOT NULL,               -- grows with every save: the newest version of a name is saved last
    PRIMARY KEY (site_id, name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id              TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    secret_sha256   BLOB    NOT NULL,
    last4           TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,           -- JSON
    site_id         TEXT    NOT NULL,
    user_id         TEXT    NOT NULL,
    app_id          TEXT    NOT NULL,
    created_at      REAL    NOT NULL,
    expires_at      REAL,
    revoked_at      REAL,
    rotated_from    TEXT    NOT NULL
) STRICT;

CREATE TABLE workers (
    worker_id       TEXT    NOT NULL PRIMARY KEY,
    site_id         TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    transport       TEXT    NOT NULL,
    tasks           TEXT    NOT NULL,           -- JSON
    labels          TEXT    NOT NULL,           -- JSON
    slots           INTEGER NOT NULL,
    key_id          TEXT    NOT NULL,
    first_seen_at   REAL    NOT NULL,
    last_seen_at    REAL    NOT NULL,
    gone_at         REAL,
    metadata        TEXT    NOT NULL            -- JSON
) STRICT;

CREATE TABLE leaders (
    duty            TEXT    NOT NULL PRIMARY KEY,
    holder          TEXT,                       -- NULL: resigned
    epoch           INTEGER NOT NULL,
    expires_at      REAL    NOT NULL
) STRICT;
