-- Every piece that begins behind $4 (the largest piece before what is wanted) and before $5.
SELECT first_byte, content FROM run_log_pieces
WHERE run_id = $1 AND attempt = $2 AND stream = $3 AND first_byte > $4::bigint AND first_byte < $5::bigint
ORDER BY first_byte
