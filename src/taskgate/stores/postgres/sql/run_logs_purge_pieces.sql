DELETE FROM run_log_pieces WHERE run_id = ANY($1::text[])
