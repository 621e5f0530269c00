-- Ended runs with all that belongs to them; under a mandate only while it stands.
WITH {mandate},
gone AS (DELETE FROM runs WHERE id = ANY($3::text[]) AND status + 0 > 2 AND {mandated} RETURNING id),
gone_attempts AS (DELETE FROM attempts USING gone WHERE attempts.run_id = gone.id)
SELECT id FROM gone
