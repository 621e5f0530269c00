DELETE FROM run_logs WHERE run_id = ANY($1::text[])
