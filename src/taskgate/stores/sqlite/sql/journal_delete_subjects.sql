WITH v(subject) AS (VALUES …)
DELETE FROM subjects WHERE subject IN (SELECT subject FROM v)
