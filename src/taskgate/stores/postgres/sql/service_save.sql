WITH {mandate}
INSERT INTO services (name, content) SELECT $3::text, $4::bytea WHERE {mandated}
ON CONFLICT (name) DO UPDATE SET content = excluded.content
RETURNING 1
