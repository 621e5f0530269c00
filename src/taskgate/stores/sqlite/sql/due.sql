-- Every timer only in the states in which it counts (see lifecycle).
SELECT json_group_array(id) FROM (
    SELECT id, min(at) AS at FROM (
        SELECT id, due_at AS at FROM runs WHERE status = 0 AND due_at <= ?1
        UNION ALL SELECT id, start_by_at FROM runs WHERE status = 1 AND start_by_at <= ?1
        UNION ALL SELECT id, advance_at FROM runs WHERE status IN (1, 2) AND advance_at <= ?1
        UNION ALL SELECT id, deadline_at FROM runs WHERE status IN (0, 1, 2) AND deadline_at <= ?1
    ) GROUP BY id ORDER BY at, id LIMIT ?2
)
