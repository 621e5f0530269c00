SELECT run_id, attempt, stream, size_bytes, piece_count, sha256, writer
FROM run_logs WHERE run_id = $1 ORDER BY attempt, stream
