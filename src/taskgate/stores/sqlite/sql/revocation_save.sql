INSERT INTO revocations (name, before, keep_until, noted_at) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
    before = max(before, excluded.before),
    keep_until = max(keep_until, excluded.keep_until),
    noted_at = excluded.noted_at
