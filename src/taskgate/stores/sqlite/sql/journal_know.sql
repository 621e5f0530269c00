WITH v(subject, last_seq, stored_bytes, is_full, sources) AS (VALUES …)
INSERT OR REPLACE INTO subjects (subject, last_seq, stored_bytes, is_full, sources)
SELECT v.subject, v.last_seq, v.stored_bytes, v.is_full, v.sources FROM v WHERE v.subject IS NOT NULL
