SELECT run_id, number, holder, target, chain_position, granted_at, started_at, ended_at, outcome, error,
    moved_on_because, request, response
FROM attempts WHERE run_id = ANY($1::text[]) ORDER BY run_id, number
