INSERT INTO audit_entries (seq, at, action, outcome, actor_id, subject, content, hash)
SELECT * FROM unnest(
    $1::bigint[], $2::double precision[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[]
)
