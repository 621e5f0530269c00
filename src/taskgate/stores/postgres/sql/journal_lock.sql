-- The rows of these subjects, locked in order until the commit; new ones are made.
INSERT INTO journal_subjects (subject)
SELECT v.subject FROM unnest($1::text[]) AS v(subject) ORDER BY v.subject COLLATE "C"
ON CONFLICT (subject) DO UPDATE SET is_sealed = journal_subjects.is_sealed
RETURNING subject, last_seq, stored_bytes, is_full, is_sealed, sources
