INSERT INTO journal_subjects (subject, is_sealed) VALUES ($1, true)
ON CONFLICT (subject) DO UPDATE SET is_sealed = true
RETURNING last_seq
