SELECT {run_fields} FROM runs WHERE runs.id = ANY($1::text[])
