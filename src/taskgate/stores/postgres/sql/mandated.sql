($1::text IS NULL OR EXISTS (SELECT FROM mandate))
