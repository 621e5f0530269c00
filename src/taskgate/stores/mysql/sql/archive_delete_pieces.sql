DELETE FROM archived_pieces WHERE run_id IN %s
