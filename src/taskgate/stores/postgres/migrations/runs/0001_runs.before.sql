-- Runs, their earlier attempts, and who leads which duty.
--
-- The present attempt lives in the run's own row, so that a plain run costs one INSERT and one UPDATE; an attempt
-- that ended while its run went on is in `attempts`. Moments are epoch seconds. Absent texts are '', absent moments
-- and blobs NULL. `change` is the mark of the statement that moved the row last. Texts that order or join are compared
-- byte by byte ("C"), whatever the database's locale.
-- status: 0 scheduled, 1 queued, 2 running, 3 succeeded, 4 failed, 5 cancelled, 6 timed out
--
-- A renewal changes no indexed column and finds room in its page, so it is a heap-only update: no index names
-- `lease_expires_at`. Blobs that are not small stand beside the row (TOAST), uncompressed, and are not written again
-- when the row changes.

CREATE TABLE runs (
    id                      text    COLLATE "C" NOT NULL PRIMARY KEY,
    site_id                 text    COLLATE "C" NOT NULL,
    status                  smallint NOT NULL CHECK (status BETWEEN 0 AND 6),
    accepted                boolean NOT NULL DEFAULT false,
    outcome                 smallint,
    change                  bigint  NOT NULL,
    -- what was asked; never changes
    user_id                 text    COLLATE "C" NOT NULL,
    app_id                  text    NOT NULL,
    task                    text    COLLATE "C" NOT NULL,
    version                 text    NOT NULL,
    definition              text    NOT NULL,
    labels                  text,               -- JSON [[key, value], …]
    priority                bigint  NOT NULL,
    created_at              double precision NOT NULL,
    deadline_at             double precision,
    timeout_s               double precision,
    idempotency_key         text    COLLATE "C" NOT NULL,
    body_digest             text    NOT NULL,
    retry_of                text    COLLATE "C" NOT NULL,
    submitted_by            text    NOT NULL,
    traceparent             text    NOT NULL,
    -- where it stands
    queue                   text    NOT NULL,   -- JSON [task, version, [[key, value], …]]
    chain_position          integer NOT NULL,
    attempt                 integer NOT NULL,   -- the fence: grows with every lease
    tries                   integer NOT NULL,
    lost_count              integer NOT NULL,
    unstarted_count         integer NOT NULL,
    due_at                  double precision,
    start_by_at             double precision,
    advance_at              double precision,
    started_at              double precision,
    ended_at                double precision,
    stopped_at              double precision,
    error                   text,               -- JSON
    result_digest           text    NOT NULL,
    -- the lease
    token                   text,
    lease_expires_at        double precision,
    -- the present attempt, or the last one of an ended run; holder NULL: there is none
    holder                  text,
    target                  text,
    granted_chain_position  integer,
    granted_at              double precision,
    attempt_started_at      double precision,
    attempt_ended_at        double precision,
    attempt_error           text,               -- JSON
    moved_on_because        text,
    request                 bytea,
    response                bytea,
    output                  bytea,
    input                   bytea   NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

ALTER TABLE runs
    ALTER COLUMN request SET STORAGE EXTERNAL, ALTER COLUMN response SET STORAGE EXTERNAL,
    ALTER COLUMN output SET STORAGE EXTERNAL, ALTER COLUMN input SET STORAGE EXTERNAL;

-- a page of a site's runs, newest first, by status; their count
CREATE INDEX runs_of_site ON runs (site_id, status, id);
-- the same for a key that is bound to a user
CREATE INDEX runs_of_user ON runs (site_id, user_id, status, id) WHERE user_id <> '';
CREATE UNIQUE INDEX runs_by_key ON runs (site_id, task, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX runs_queued ON runs (id) WHERE status = 1;
CREATE INDEX runs_running ON runs (id) WHERE status = 2;
CREATE INDEX runs_ended ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_retried ON runs (retry_of) WHERE retry_of <> '';
-- timers of open runs, each only in the states in which it counts
CREATE INDEX runs_due ON runs (due_at) WHERE status = 0 AND due_at IS NOT NULL;
CREATE INDEX runs_start_by ON runs (start_by_at) WHERE status = 1 AND start_by_at IS NOT NULL;
CREATE INDEX runs_advance ON runs (advance_at) WHERE status IN (1, 2) AND advance_at IS NOT NULL;
CREATE INDEX runs_deadline ON runs (deadline_at) WHERE status IN (0, 1, 2) AND deadline_at IS NOT NULL;

CREATE TABLE attempts (
    run_id                  text    COLLATE "C" NOT NULL,
    number                  integer NOT NULL,
    target                  text    NOT NULL,
    chain_position          integer NOT NULL,
    holder                  text    NOT NULL,
    granted_at              double precision NOT NULL,
    started_at              double precision,
    ended_at                double precision,
    outcome                 smallint,
    error                   text,               -- JSON
    moved_on_because        text    NOT NULL,
    request                 bytea,
    response                bytea,
    PRIMARY KEY (run_id, number)
);

CREATE TABLE leaders (
    duty                    text    COLLATE "C" NOT NULL PRIMARY KEY,
    holder                  text,
    epoch                   bigint  NOT NULL,
    expires_at              double precision NOT NULL
);
