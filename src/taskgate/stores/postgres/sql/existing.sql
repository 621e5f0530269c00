SELECT runs.id FROM unnest($1::text[]) AS v(id) JOIN runs ON runs.id = v.id
