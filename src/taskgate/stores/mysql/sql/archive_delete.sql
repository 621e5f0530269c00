DELETE FROM archived_runs WHERE id IN %s
