WITH v(subject) AS (VALUES …)
DELETE FROM chunks WHERE subject IN (SELECT subject FROM v)
