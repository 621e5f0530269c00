SELECT {worker_columns} FROM workers WHERE ?1 IS NULL OR site_id = ?1 ORDER BY worker_id
