WITH v(id, token) AS (VALUES …)
SELECT {run_fields} FROM v CROSS JOIN runs ON runs.id = v.id AND runs.token = v.token
