-- Moves that were not applied: whether this very result is the run's end already, and whether this mark moved it last.
SELECT v.place, coalesce(
    v.result_digest <> '' AND runs.result_digest = v.result_digest AND runs.attempt = v.attempt
        AND runs.status = v.status AND runs.status > 2, false
), coalesce(runs.change = $1::bigint, false)
FROM unnest($2::int[], $3::text[], $4::int[], $5::text[], $6::smallint[]) AS v(place, id, attempt, result_digest, status)
LEFT JOIN runs ON runs.id = v.id
