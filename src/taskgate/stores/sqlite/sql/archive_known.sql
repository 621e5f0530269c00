SELECT json_group_array(json_array(id, is_stopped)) FROM archived_runs WHERE id IN (SELECT value FROM json_each(?))
