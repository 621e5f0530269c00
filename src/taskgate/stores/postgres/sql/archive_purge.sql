WITH gone AS (
    DELETE FROM archived_runs WHERE id IN (
        SELECT id FROM archived_runs WHERE ended_at < $1::double precision ORDER BY ended_at, id LIMIT $2::bigint
    ) RETURNING 1
)
SELECT count(*) AS total FROM gone
