-- Recorded calls of routes, whole, with what they are looked up by.

CREATE TABLE calls (
    id          TEXT    NOT NULL PRIMARY KEY,   -- sorts by the moment the call began
    site_id     TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    service     TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    started_at  REAL    NOT NULL,
    content     BLOB    NOT NULL                -- the record as JSON
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_of_site ON calls (site_id, id);
CREATE INDEX calls_of_request ON calls (request_id, id);
CREATE INDEX calls_by_age ON calls (started_at);
