-- Recorded calls of routes, whole, with what they are looked up by.

CREATE TABLE calls (
    id              text    COLLATE "C" NOT NULL PRIMARY KEY,   -- sorts by the moment the call began
    site_id         text    COLLATE "C" NOT NULL,
    user_id         text    NOT NULL,
    service         text    NOT NULL,
    route           text    NOT NULL,
    request_id      text    COLLATE "C" NOT NULL,
    status          integer NOT NULL,
    started_at      double precision NOT NULL,
    content         bytea   NOT NULL                            -- the record as JSON
);

CREATE INDEX calls_of_site ON calls (site_id, id);
CREATE INDEX calls_of_request ON calls (request_id, id);
CREATE INDEX calls_by_age ON calls (started_at);
