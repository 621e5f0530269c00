-- What a page of runs may hold; empty parameters restrict nothing. $1 statuses (a bit each), $2 limit.
site_id = $3 AND id < $4
AND ($5::text = '' OR task = $5)
AND ($6::text IS NULL OR EXISTS (SELECT FROM json_array_elements(runs.labels::json) AS pair WHERE pair::text = $6))
AND (NOT $7::boolean OR NOT EXISTS (
    SELECT FROM runs AS again WHERE again.retry_of = runs.id AND again.retry_of <> ''
))
