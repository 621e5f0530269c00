SELECT id, site_id, user_id, status FROM runs WHERE id = ANY($1::text[])
