INSERT INTO run_logs ({run_log_columns}) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, attempt, stream) DO UPDATE SET
    size_bytes = excluded.size_bytes, piece_count = excluded.piece_count, sha256 = excluded.sha256
RETURNING id
