SELECT json_group_array(runs.id)
FROM json_each(?) AS asked CROSS JOIN runs ON runs.id = asked.value WHERE runs.status > 2
