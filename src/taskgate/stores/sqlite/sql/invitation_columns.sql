id, secret_sha256, site_id, scopes, worker_id, key_days, created_at, created_by, expires_at, used_at
