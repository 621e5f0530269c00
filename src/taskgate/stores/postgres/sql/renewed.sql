-- Where each renewal stands: 0 held, 1 the run has ended, 2 lost.
SELECT v.place, CASE
    WHEN runs.status = 2 AND runs.attempt = v.attempt AND runs.token = v.token THEN 0
    WHEN runs.status > 2 THEN 1
    ELSE 2
END
FROM unnest($1::int[], $2::text[], $3::int[], $4::text[]) AS v(place, id, attempt, token)
LEFT JOIN runs ON runs.id = v.id
