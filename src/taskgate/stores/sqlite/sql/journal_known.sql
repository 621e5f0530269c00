WITH v(subject) AS (VALUES …)
SELECT s.subject, s.last_seq, s.stored_bytes, s.is_full, s.sources
FROM v JOIN subjects AS s ON s.subject = v.subject
