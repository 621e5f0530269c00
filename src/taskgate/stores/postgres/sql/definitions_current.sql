SELECT d.content FROM current_definitions AS c JOIN definitions AS d USING (digest) ORDER BY c.saved
