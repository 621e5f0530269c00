UPDATE audit_ends SET checkpoint_seq = ?, checkpoint_hash = ?
