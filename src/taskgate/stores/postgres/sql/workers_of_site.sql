SELECT {worker_columns} FROM workers WHERE site_id = $1 ORDER BY worker_id
