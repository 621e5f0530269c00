INSERT INTO current_definitions (site_id, name, version, digest, saved)
VALUES (:site_id, :name, :version, :digest, (SELECT coalesce(max(saved), 0) + 1 FROM current_definitions))
ON CONFLICT (site_id, name, version) DO UPDATE SET digest = excluded.digest, saved = excluded.saved
