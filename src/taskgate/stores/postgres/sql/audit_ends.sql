SELECT checkpoint_seq, checkpoint_hash, head_seq, head_hash FROM audit_ends WHERE only_row = 1
