WITH v(subject, last_seq, first_seq, entries) AS (VALUES …)
INSERT INTO chunks (subject, last_seq, first_seq, entries)
SELECT v.subject, v.last_seq, v.first_seq, v.entries FROM v WHERE v.subject IS NOT NULL
