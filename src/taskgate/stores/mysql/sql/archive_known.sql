SELECT id, is_stopped FROM archived_runs WHERE id IN %s
