-- Ended runs, whole, with what they are looked up by. Moments are epoch seconds, as they were in the ledger.

CREATE TABLE archived_runs (
    id          text             COLLATE "C" NOT NULL PRIMARY KEY,
    site_id     text             COLLATE "C" NOT NULL,
    user_id     text             COLLATE "C" NOT NULL,
    task        text             COLLATE "C" NOT NULL,
    status      text             COLLATE "C" NOT NULL,
    ended_at    double precision NOT NULL,
    is_stopped  boolean          NOT NULL,      -- its holder had confirmed that nothing of it runs any more
    marks       text             COLLATE "C" NOT NULL,  -- |mark|mark| of labels and holders
    head        bytea            NOT NULL,      -- the run as lists show it, MessagePack
    body        bytea            NOT NULL       -- input, output and attempts, MessagePack
);

CREATE INDEX archived_of_site ON archived_runs (site_id, ended_at, id);
CREATE INDEX archived_of_user ON archived_runs (site_id, user_id, ended_at, id) WHERE user_id <> '';
CREATE INDEX archived_of_task ON archived_runs (site_id, task, ended_at, id);
CREATE INDEX archived_by_end ON archived_runs (ended_at, id);
