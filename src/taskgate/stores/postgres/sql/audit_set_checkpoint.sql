UPDATE audit_ends SET checkpoint_seq = $1, checkpoint_hash = $2 WHERE only_row = 1
