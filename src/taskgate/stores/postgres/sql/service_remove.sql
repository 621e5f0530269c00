WITH {mandate},
gone AS (DELETE FROM services WHERE name = $3::text AND {mandated} RETURNING 1)
SELECT {mandated} AS stands, EXISTS (SELECT FROM gone) AS is_gone
