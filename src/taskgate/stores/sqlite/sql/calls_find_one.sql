SELECT content FROM calls
WHERE id = :id AND (:site_id IS NULL OR site_id = :site_id) AND {calls_wanted} LIMIT :limit
