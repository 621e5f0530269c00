SELECT json_group_array(json_array(status, total))
FROM (SELECT status, count(*) AS total FROM runs WHERE site_id = ? GROUP BY status)
