SELECT last_seq FROM subjects WHERE subject = ?
