-- Where each renewal stands: 0 held, 1 the run has ended, 2 lost.
WITH v(id, attempt, token) AS (VALUES …)
SELECT json_group_array(CASE
    WHEN runs.status = 2 AND runs.attempt = v.attempt AND runs.token = v.token THEN 0
    WHEN runs.status > 2 THEN 1
    ELSE 2
END)
FROM v LEFT JOIN runs ON runs.id = v.id
WHERE v.id IS NOT NULL
