INSERT INTO current_definitions (site_id, name, version, digest, saved)
SELECT v.site_id, v.name, v.version, v.digest,
    (SELECT coalesce(max(saved), 0) FROM current_definitions) + v.place
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
    AS v(site_id, name, version, digest, place)
ON CONFLICT (site_id, name, version) DO UPDATE SET digest = excluded.digest, saved = excluded.saved
