id, name, kind, secret_sha256, last4, scopes, site_id, user_id, app_id, created_at, expires_at, revoked_at, rotated_from, prefixes, worker_id
