SELECT hash FROM audit_entries WHERE seq = $1::bigint
