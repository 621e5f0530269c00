-- Ended runs, whole, with what they are looked up by.

CREATE TABLE archived_runs (
    id          TEXT    NOT NULL PRIMARY KEY,
    site_id     TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    task        TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    ended_at    REAL    NOT NULL,
    is_stopped  INTEGER NOT NULL,               -- its holder had confirmed that nothing of it runs any more
    marks       TEXT    NOT NULL,               -- |mark|mark| of labels and holders
    head        BLOB    NOT NULL,               -- the run as lists show it, MessagePack
    body        BLOB    NOT NULL                -- input, output and attempts, MessagePack
) STRICT;

CREATE INDEX archived_of_site ON archived_runs (site_id, ended_at, id);
CREATE INDEX archived_of_user ON archived_runs (site_id, user_id, ended_at, id) WHERE user_id <> '';
CREATE INDEX archived_of_task ON archived_runs (site_id, task, ended_at, id);
CREATE INDEX archived_by_end ON archived_runs (ended_at, id);
