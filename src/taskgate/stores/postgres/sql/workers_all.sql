SELECT {worker_columns} FROM workers ORDER BY worker_id
