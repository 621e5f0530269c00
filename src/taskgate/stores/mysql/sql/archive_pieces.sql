SELECT piece FROM archived_pieces WHERE run_id = %s AND number < %s ORDER BY number
