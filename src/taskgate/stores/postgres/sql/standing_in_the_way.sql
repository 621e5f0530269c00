-- For rows that were not added: the run with their key, else the run with their id.
SELECT v.place, coalesce(
    (SELECT runs.id FROM runs WHERE v.idempotency_key <> '' AND runs.idempotency_key = v.idempotency_key
        AND runs.idempotency_key <> '' AND runs.site_id = v.site_id AND runs.task = v.task),
    v.id
) AS id
FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[]) AS v(place, id, site_id, task, idempotency_key)
