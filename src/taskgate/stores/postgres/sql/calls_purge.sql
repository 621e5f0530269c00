WITH purged AS (
    DELETE FROM calls
    WHERE id = ANY(ARRAY(SELECT id FROM calls WHERE started_at < $1 ORDER BY started_at LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM purged
