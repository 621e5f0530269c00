-- `find` for one user: the walks go down the index of the user.
SELECT json_group_array(id) FROM (
    SELECT id FROM runs WHERE (:statuses >> 0) & 1 AND status = 0 AND {wanted} AND {of_user}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 1) & 1 AND status = 1 AND {wanted} AND {of_user}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 2) & 1 AND status = 2 AND {wanted} AND {of_user}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 3) & 1 AND status = 3 AND {wanted} AND {of_user}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 4) & 1 AND status = 4 AND {wanted} AND {of_user}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 5) & 1 AND status = 5 AND {wanted} AND {of_user}
    UNION ALL SELECT id FROM runs WHERE (:statuses >> 6) & 1 AND status = 6 AND {wanted} AND {of_user}
    ORDER BY id DESC LIMIT :limit
)
