INSERT INTO invitations (id, expires_at, used_at, content) VALUES ($1::text, $2::float8, $3::float8, $4::bytea)
