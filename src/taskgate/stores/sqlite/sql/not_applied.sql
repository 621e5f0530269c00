-- Those of the moves that a commit did not apply; true where this very result is the run's end already.
WITH v(place, id, attempt, result_digest, status) AS (VALUES …)
SELECT json_group_array(json_array(v.place, coalesce(
    v.result_digest <> '' AND runs.result_digest = v.result_digest AND runs.attempt = v.attempt
        AND runs.status = v.status AND runs.status > 2, 0
)))
FROM v LEFT JOIN runs ON runs.id = v.id
WHERE v.id IS NOT NULL AND runs.change IS NOT ?
