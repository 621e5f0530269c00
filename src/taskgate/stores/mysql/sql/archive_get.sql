SELECT id, head, body, piece_count FROM archived_runs WHERE id IN %s
