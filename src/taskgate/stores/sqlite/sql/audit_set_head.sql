UPDATE audit_ends SET head_seq = ?, head_hash = ?
