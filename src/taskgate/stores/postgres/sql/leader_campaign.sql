-- The epoch grows only when the leader changes; somebody else's reign must have passed or been resigned.
WITH {clock}
INSERT INTO leaders (duty, holder, epoch, expires_at) SELECT $2::text, $3::text, 1, now + $4::float8 FROM clock
ON CONFLICT (duty) DO UPDATE SET
    holder = excluded.holder,
    epoch = leaders.epoch + CASE WHEN leaders.holder IS DISTINCT FROM excluded.holder THEN 1 ELSE 0 END,
    expires_at = excluded.expires_at
WHERE leaders.holder IS NULL OR leaders.holder = excluded.holder OR leaders.expires_at <= (SELECT now FROM clock)
RETURNING epoch
