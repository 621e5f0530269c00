-- The log, locked until the commit; a new one is made.
INSERT INTO run_logs (run_id, attempt, stream, writer) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, attempt, stream) DO UPDATE SET size_bytes = run_logs.size_bytes
RETURNING run_id, attempt, stream, size_bytes, piece_count, sha256, writer
