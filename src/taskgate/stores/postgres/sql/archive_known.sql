SELECT id, is_stopped FROM archived_runs WHERE id = ANY ($1::text[])
