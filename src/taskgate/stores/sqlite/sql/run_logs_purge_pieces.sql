DELETE FROM pieces WHERE log_id IN (SELECT id FROM run_logs WHERE run_id = ?)
