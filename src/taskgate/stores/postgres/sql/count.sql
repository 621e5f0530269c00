SELECT status, count(*) FROM runs WHERE site_id = $1 GROUP BY status
