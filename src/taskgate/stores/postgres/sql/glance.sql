SELECT runs.id, site_id, user_id, status FROM unnest($1::text[]) AS v(id) JOIN runs ON runs.id = v.id
