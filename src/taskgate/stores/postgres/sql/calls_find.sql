SELECT content FROM calls WHERE {calls_wanted} AND $8::text IS NULL ORDER BY id DESC LIMIT $2
