SELECT content FROM current_definitions JOIN definitions USING (digest) ORDER BY saved
