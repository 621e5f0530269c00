runs.id = v.id AND runs.attempt = v.attempt AND runs.status + 0 < 3 AND (v.statuses >> runs.status) & 1 = 1
AND (v.from_position IS NULL OR runs.chain_position = v.from_position)
AND (v.token IS NULL OR runs.token = v.token) AND (v.expires_at IS NULL OR runs.lease_expires_at = v.expires_at)
AND {mandated}
