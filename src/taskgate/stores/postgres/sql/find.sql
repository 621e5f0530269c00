-- Newest first over the wanted states, merged from one ordered walk per state.
SELECT {run_fields} FROM runs JOIN (
    (SELECT id FROM runs WHERE ($1::int >> 0) & 1 = 1 AND status = 0 AND {wanted} ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT id FROM runs WHERE ($1::int >> 1) & 1 = 1 AND status = 1 AND {wanted} ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT id FROM runs WHERE ($1::int >> 2) & 1 = 1 AND status = 2 AND {wanted} ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT id FROM runs WHERE ($1::int >> 3) & 1 = 1 AND status = 3 AND {wanted} ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT id FROM runs WHERE ($1::int >> 4) & 1 = 1 AND status = 4 AND {wanted} ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT id FROM runs WHERE ($1::int >> 5) & 1 = 1 AND status = 5 AND {wanted} ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT id FROM runs WHERE ($1::int >> 6) & 1 = 1 AND status = 6 AND {wanted} ORDER BY id DESC LIMIT $2)
    ORDER BY id DESC LIMIT $2
) AS page ON page.id = runs.id ORDER BY runs.id DESC
