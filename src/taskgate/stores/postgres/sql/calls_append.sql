INSERT INTO calls (id, site_id, user_id, service, route, request_id, status, started_at, content)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::float8[], $9::bytea[]
)
ON CONFLICT (id) DO NOTHING
