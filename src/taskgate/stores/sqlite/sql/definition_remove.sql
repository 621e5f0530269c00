DELETE FROM current_definitions WHERE site_id = ? AND name = ? AND version = ?
