SELECT {run_log_columns} FROM run_logs WHERE run_id = ? ORDER BY attempt, stream
