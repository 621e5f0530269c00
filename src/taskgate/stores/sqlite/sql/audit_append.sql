INSERT INTO audit_entries (seq, at, action, outcome, actor_id, subject, content, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
