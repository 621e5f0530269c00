INSERT INTO pieces (log_id, first_byte, content) VALUES (?, ?, ?)
