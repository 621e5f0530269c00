INSERT IGNORE INTO archived_pieces (run_id, number, piece) VALUES (%s, %s, %s)
