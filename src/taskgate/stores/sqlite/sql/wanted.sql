-- What a page of runs may hold; empty parameters restrict nothing.
site_id = :site_id AND id < :cursor
AND (:task = '' OR task = :task)
AND (:label_name IS NULL OR EXISTS (
    SELECT 1 FROM json_each(runs.labels) AS pair
    WHERE pair.value ->> 0 = :label_name AND pair.value ->> 1 = :label_value
))
AND (NOT :dead OR NOT EXISTS (SELECT 1 FROM runs AS again WHERE again.retry_of = runs.id AND again.retry_of <> ''))
