SELECT id, head, body FROM archived_runs WHERE id = ANY ($1::text[])
