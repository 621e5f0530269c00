SELECT seq, at, content, hash FROM audit_entries WHERE seq > $1::bigint ORDER BY seq LIMIT $2::bigint
