DELETE FROM run_logs WHERE run_id = ?
