SELECT {key_columns} FROM keys WHERE id = ?
