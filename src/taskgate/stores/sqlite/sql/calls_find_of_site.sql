SELECT content FROM calls WHERE site_id = :site_id AND {calls_wanted} ORDER BY id DESC LIMIT :limit
