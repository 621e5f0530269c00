-- Newest first over the wanted states, merged from one ordered walk per state. `statuses` has a bit for each.
SELECT json_group_array(id) FROM (
    SELECT id FROM runs WHERE (:statuses >> 0) & 1 AND status = 0 AND {wanted}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 1) & 1 AND status = 1 AND {wanted}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 2) & 1 AND status = 2 AND {wanted}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 3) & 1 AND status = 3 AND {wanted}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 4) & 1 AND status = 4 AND {wanted}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 5) & 1 AND status = 5 AND {wanted}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 6) & 1 AND status = 6 AND {wanted}
    ORDER BY id DESC LIMIT :limit
)
