WITH v(id) AS (VALUES …)
SELECT json_group_array(json_array(runs.id, runs.site_id, runs.user_id, runs.status))
FROM v CROSS JOIN runs ON runs.id = v.id
