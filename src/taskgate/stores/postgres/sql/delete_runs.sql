-- Ended runs with all that belongs to them; under a mandate only while it stands.
WITH {mandate},
gone AS (
    DELETE FROM runs USING unnest($3::text[]) AS v(id)
    WHERE runs.id = v.id AND runs.status + 0 > 2 AND {mandated}
    RETURNING runs.id
),
gone_attempts AS (DELETE FROM attempts USING gone WHERE attempts.run_id = gone.id)
SELECT id FROM gone
