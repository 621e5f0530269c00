SELECT id FROM runs WHERE id = ANY($1::text[])
