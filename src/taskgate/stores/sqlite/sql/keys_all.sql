SELECT {key_columns} FROM keys ORDER BY created_at, id
