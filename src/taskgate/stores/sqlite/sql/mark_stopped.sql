UPDATE runs SET stopped_at = ?3 WHERE id = ?1 AND attempt = ?2 AND status > 2 AND stopped_at IS NULL
