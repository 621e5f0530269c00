DELETE FROM current_definitions WHERE site_id = $1 AND name = $2 AND version = $3 RETURNING 1
