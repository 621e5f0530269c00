-- Large inputs of the runs that this very commit added.
WITH v(id, input) AS (VALUES …)
INSERT INTO large_inputs (run_id, input)
SELECT v.id, v.input FROM v CROSS JOIN runs ON runs.id = v.id AND runs.change = ?
