-- Runs that are leased under these tokens.
SELECT {run_fields}
FROM unnest($1::text[], $2::text[]) AS v(id, token) JOIN runs ON runs.id = v.id AND runs.token = v.token
