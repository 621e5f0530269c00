SELECT content FROM calls
WHERE request_id = $9 AND ($8::text IS NULL OR site_id = $8) AND {calls_wanted}
ORDER BY id DESC LIMIT $2
