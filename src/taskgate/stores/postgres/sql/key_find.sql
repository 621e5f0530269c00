SELECT content, revoked_at FROM keys WHERE id = $1
