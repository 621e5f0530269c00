WITH {clock}
INSERT INTO revocations AS known (name, before, keep_until, noted_at)
SELECT $2::text, $3::float8, $4::float8, now FROM clock
ON CONFLICT (name) DO UPDATE SET
    before = greatest(known.before, excluded.before),
    keep_until = greatest(known.keep_until, excluded.keep_until),
    noted_at = excluded.noted_at
