-- Every timer only in the states in which it counts (see lifecycle).
WITH {clock},
late AS (
    SELECT id, min(at) AS at FROM (
        SELECT id, due_at AS at FROM runs WHERE status = 0 AND due_at <= (SELECT now FROM clock)
        UNION ALL SELECT id, start_by_at FROM runs WHERE status = 1 AND start_by_at <= (SELECT now FROM clock)
        UNION ALL SELECT id, advance_at FROM runs WHERE status IN (1, 2) AND advance_at <= (SELECT now FROM clock)
        UNION ALL SELECT id, deadline_at FROM runs
            WHERE status IN (0, 1, 2) AND deadline_at <= (SELECT now FROM clock)
    ) AS timers GROUP BY id ORDER BY min(at), id LIMIT $2
)
SELECT {run_fields} FROM late JOIN runs ON runs.id = late.id ORDER BY late.at, late.id
