SELECT content FROM calls WHERE {calls_wanted} ORDER BY id DESC LIMIT :limit
