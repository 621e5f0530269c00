SELECT json_group_array(json_array(id, ended_at, stopped_at IS NOT NULL)) FROM (
    SELECT id, ended_at, stopped_at FROM runs
    WHERE (ended_at, id) > (?, ?) AND ended_at <= ? ORDER BY ended_at, id LIMIT ?
)
