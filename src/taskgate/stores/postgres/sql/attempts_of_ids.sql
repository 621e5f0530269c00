SELECT run_id, number, holder, target, chain_position, granted_at, started_at, ended_at, outcome, error,
    moved_on_because, request, response
FROM unnest($1::text[]) AS v(id) JOIN attempts ON attempts.run_id = v.id ORDER BY run_id, number
