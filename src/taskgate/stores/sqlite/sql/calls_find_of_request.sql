SELECT content FROM calls
WHERE request_id = :request_id AND (:site_id IS NULL OR site_id = :site_id) AND {calls_wanted}
ORDER BY id DESC LIMIT :limit
