SELECT seq, content, hash FROM audit_entries WHERE seq > ? ORDER BY seq LIMIT ?
