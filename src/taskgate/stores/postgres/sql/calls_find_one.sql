SELECT content FROM calls WHERE id = $9 AND ($8::text IS NULL OR site_id = $8) AND {calls_wanted} LIMIT $2
