SELECT content, revoked_at FROM keys ORDER BY created_at, id
