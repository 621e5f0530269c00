SELECT content FROM calls WHERE site_id = $8 AND {calls_wanted} ORDER BY id DESC LIMIT $2
