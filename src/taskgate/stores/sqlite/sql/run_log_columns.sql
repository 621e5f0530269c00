run_id, attempt, stream, size_bytes, piece_count, sha256, writer
