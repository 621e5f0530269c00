-- Runs and their earlier attempts.
--
-- The present attempt lives in the run's own row, so that a plain run costs one INSERT and one UPDATE; an attempt
-- that ended while its run went on is in `attempts`. Moments are epoch seconds. Absent texts are '', absent moments
-- and blobs NULL. `change` is the mark of the group commit that wrote the row last.
-- status: 0 scheduled, 1 queued, 2 running, 3 succeeded, 4 failed, 5 cancelled, 6 timed out

CREATE TABLE runs (
    id                      TEXT    NOT NULL UNIQUE,
    site_id                 TEXT    NOT NULL,
    status                  INTEGER NOT NULL CHECK (status BETWEEN 0 AND 6),
    change                  INTEGER NOT NULL,
    -- what was asked; never changes
    user_id                 TEXT    NOT NULL,
    app_id                  TEXT    NOT NULL,
    task                    TEXT    NOT NULL,
    version                 TEXT    NOT NULL,
    definition              TEXT    NOT NULL,
    labels                  TEXT,               -- JSON [[key, value], …]
    priority                INTEGER NOT NULL,
    created_at              REAL    NOT NULL,
    deadline_at             REAL,
    timeout_s               REAL,
    idempotency_key         TEXT    NOT NULL,
    body_digest             TEXT    NOT NULL,
    retry_of                TEXT    NOT NULL,
    submitted_by            TEXT    NOT NULL,
    traceparent             TEXT    NOT NULL,
    -- where it stands
    queue                   TEXT    NOT NULL,   -- JSON [task, version, [[key, value], …]]
    chain_position          INTEGER NOT NULL,
    attempt                 INTEGER NOT NULL,   -- the fence: grows with every lease
    tries                   INTEGER NOT NULL,
    lost_count              INTEGER NOT NULL,
    unstarted_count         INTEGER NOT NULL,
    due_at                  REAL,
    start_by_at             REAL,
    advance_at              REAL,
    started_at              REAL,
    ended_at                REAL,
    stopped_at              REAL,
    error                   TEXT,               -- JSON
    result_digest           TEXT    NOT NULL,
    -- the lease
    token                   TEXT,
    lease_expires_at        REAL,
    accepted                INTEGER NOT NULL DEFAULT 0,
    -- the present attempt, or the last one of an ended run; holder NULL: there is none
    holder                  TEXT,
    target                  TEXT,
    granted_chain_position  INTEGER,
    granted_at              REAL,
    attempt_started_at      REAL,
    attempt_ended_at        REAL,
    outcome                 INTEGER,
    attempt_error           TEXT,               -- JSON
    moved_on_because        TEXT,
    -- large things last, so that reading the rest does not touch their pages
    request                 BLOB,
    response                BLOB,
    output                  BLOB,
    input                   BLOB                -- NULL: in `large_inputs`
) STRICT;

-- Inputs that would make every later change of their run's row expensive: an update writes its whole row again.
CREATE TABLE large_inputs (
    run_id                  TEXT    NOT NULL PRIMARY KEY,
    input                   BLOB    NOT NULL
) STRICT;

-- a page of a site's runs, newest first, by status; their count
CREATE INDEX runs_of_site ON runs (site_id, status, id);
-- the same for a key that is bound to a user
CREATE INDEX runs_of_user ON runs (site_id, user_id, status, id) WHERE user_id <> '';
CREATE UNIQUE INDEX runs_by_key ON runs (site_id, task, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX runs_queued ON runs (id) WHERE status = 1;
CREATE INDEX runs_leased ON runs (lease_expires_at) WHERE status = 2;
CREATE INDEX runs_ended ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_retried ON runs (retry_of) WHERE retry_of <> '';
-- timers of open runs, each only in the states in which it counts
CREATE INDEX runs_due ON runs (due_at) WHERE status = 0 AND due_at IS NOT NULL;
CREATE INDEX runs_start_by ON runs (start_by_at) WHERE status = 1 AND start_by_at IS NOT NULL;
CREATE INDEX runs_advance ON runs (advance_at) WHERE status IN (1, 2) AND advance_at IS NOT NULL;
CREATE INDEX runs_deadline ON runs (deadline_at) WHERE status IN (0, 1, 2) AND deadline_at IS NOT NULL;

CREATE TABLE attempts (
    run_id                  TEXT    NOT NULL,
    number                  INTEGER NOT NULL,
    target                  TEXT    NOT NULL,
    chain_position          INTEGER NOT NULL,
    holder                  TEXT    NOT NULL,
    granted_at              REAL    NOT NULL,
    started_at              REAL,
    ended_at                REAL,
    outcome                 INTEGER,
    error                   TEXT,               -- JSON
    moved_on_because        TEXT    NOT NULL,
    request                 BLOB,
    response                BLOB,
    PRIMARY KEY (run_id, number)
) STRICT, WITHOUT ROWID;
