WITH known AS (
    UPDATE run_logs SET size_bytes = $4::bigint + length($5::bytea), piece_count = piece_count + 1
    WHERE run_id = $1 AND attempt = $2 AND stream = $3
)
INSERT INTO run_log_pieces (run_id, attempt, stream, first_byte, content) VALUES ($1, $2, $3, $4::bigint, $5::bytea)
