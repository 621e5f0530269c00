-- Every piece that may have bytes from ?4 - (the largest piece) on and before ?5.
SELECT p.first_byte, p.content FROM pieces AS p
WHERE p.log_id = (SELECT id FROM run_logs WHERE run_id = ?1 AND attempt = ?2 AND stream = ?3)
AND p.first_byte > ?4 AND p.first_byte < ?5 ORDER BY p.first_byte
