INSERT INTO keys ({key_columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, kind = excluded.kind, secret_sha256 = excluded.secret_sha256, last4 = excluded.last4,
    scopes = excluded.scopes, site_id = excluded.site_id, user_id = excluded.user_id, app_id = excluded.app_id,
    created_at = excluded.created_at, expires_at = excluded.expires_at,
    revoked_at = coalesce(keys.revoked_at, excluded.revoked_at),
    rotated_from = excluded.rotated_from, prefixes = excluded.prefixes, worker_id = excluded.worker_id
