DELETE FROM audit_entries WHERE seq <= ?
