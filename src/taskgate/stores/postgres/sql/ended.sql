SELECT id, ended_at, stopped_at IS NOT NULL AS is_stopped FROM runs
WHERE ended_at IS NOT NULL AND (ended_at, id) > ($1::double precision, $2::text) AND ended_at <= $3::double precision
ORDER BY ended_at, id LIMIT $4::bigint
