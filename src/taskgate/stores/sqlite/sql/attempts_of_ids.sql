WITH v(id) AS (VALUES …)
SELECT
    json_group_array(json_array(
        a.run_id, a.number, a.target, a.chain_position, a.holder, a.granted_at, a.started_at, a.ended_at, a.outcome,
        json(a.error), a.moved_on_because, length(a.request), length(a.response)
    )),
    CAST(group_concat(a.request, '') AS BLOB),
    CAST(group_concat(a.response, '') AS BLOB)
FROM v CROSS JOIN attempts AS a ON a.run_id = v.id
