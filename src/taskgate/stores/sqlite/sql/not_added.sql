-- Those of the rows that a commit did not add, each with the run that stood in its way.
WITH v(place, id, site_id, task, idempotency_key) AS (VALUES …)
SELECT json_group_array(json_array(v.place, coalesce(
    (SELECT id FROM runs WHERE v.idempotency_key <> '' AND idempotency_key = v.idempotency_key
        AND idempotency_key <> '' AND site_id = v.site_id AND task = v.task),
    v.id
)))
FROM v
WHERE v.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = v.id AND runs.change = ?)
