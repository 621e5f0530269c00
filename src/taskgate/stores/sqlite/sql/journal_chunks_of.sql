SELECT entries FROM chunks WHERE subject = ? AND last_seq > ? ORDER BY last_seq
