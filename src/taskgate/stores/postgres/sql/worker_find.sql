SELECT {worker_columns} FROM workers WHERE worker_id = $1
