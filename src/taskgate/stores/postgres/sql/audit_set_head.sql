UPDATE audit_ends SET head_seq = $1, head_hash = $2 WHERE only_row = 1
