-- What the ledger's statements are given: an array of these, a row for each run.

CREATE TYPE run_to_add AS (
    id text, site_id text, user_id text, app_id text, task text, version text, definition text, priority bigint,
    created_at float8, deadline_at float8, timeout_s float8, idempotency_key text, body_digest text, retry_of text,
    submitted_by text, traceparent text, chain_position int, due_at float8, start_by_at float8, advance_at float8,
    input bytea, labels text, queue text, status smallint, attempt int, token text, duration_s float8, holder text,
    target text
);

CREATE TYPE run_to_move AS (
    place int, id text, attempt int, statuses int, token text, expires_at float8, from_position int, status smallint,
    chain_position int, tries int, lost_count int, unstarted_count int, queue text, due_at float8, start_by_at float8,
    advance_at float8, started_at float8, ended_at float8, output bytea, error text, result_digest text,
    outcome smallint, attempt_ended_at float8, attempt_started_at float8, attempt_error text, response bytea,
    moved_on_because text
);

CREATE TYPE run_to_claim AS (
    id text, token text, duration_s float8, holder text, target text
);

CREATE TYPE run_to_renew AS (
    place int, id text, attempt int, token text, duration_s float8, started_at float8
);
