WITH v(id) AS (VALUES …)
SELECT {run_fields} FROM v CROSS JOIN runs ON runs.id = v.id
