-- Moves of runs that go on: the present attempt is kept as it ended, by the same statement. The rows are locked
-- first, in the order of their ids, and the guard is judged on what is locked.
WITH {mandate},
seen AS MATERIALIZED (
    SELECT
        v.*, runs.target AS kept_target, runs.granted_chain_position AS kept_position, runs.holder AS kept_holder,
        runs.granted_at AS kept_granted_at, coalesce(runs.attempt_started_at, v.attempt_started_at) AS kept_started_at,
        runs.request AS kept_request
    FROM {moves} JOIN runs ON runs.id = v.id
    WHERE {move_guard}
    FOR NO KEY UPDATE OF runs
),
kept AS (
    INSERT INTO attempts (
        run_id, number, target, chain_position, holder, granted_at, started_at, ended_at, outcome, error,
        moved_on_because, request, response
    )
    SELECT
        id, attempt, kept_target, kept_position, kept_holder, kept_granted_at, kept_started_at, attempt_ended_at,
        outcome, attempt_error, coalesce(moved_on_because, ''), kept_request, response
    FROM seen WHERE kept_holder IS NOT NULL AND status < 3
)
UPDATE runs SET {moved} FROM seen AS v WHERE runs.id = v.id
RETURNING v.place
