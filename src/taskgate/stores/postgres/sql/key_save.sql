INSERT INTO keys (id, created_at, revoked_at, content) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE
SET created_at = excluded.created_at, content = excluded.content,
    revoked_at = coalesce(keys.revoked_at, excluded.revoked_at)
