unnest(
    $4::int[], $5::text[], $6::int[], $7::int[], $8::text[], $9::float8[], $10::int[], $11::smallint[], $12::int[],
    $13::int[], $14::int[], $15::int[], $16::text[], $17::float8[], $18::float8[], $19::float8[], $20::float8[],
    $21::float8[], $22::bytea[], $23::text[], $24::text[], $25::smallint[], $26::float8[], $27::float8[], $28::text[],
    $29::bytea[], $30::text[]
) AS v(
    place, id, attempt, statuses, token, expires_at, from_position,
    status, chain_position, tries, lost_count, unstarted_count, queue, due_at, start_by_at, advance_at,
    started_at, ended_at, output, error, result_digest,
    outcome, attempt_ended_at, attempt_started_at, attempt_error, response, moved_on_because
)
