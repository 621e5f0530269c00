-- The epoch grows only when the leader changes; somebody else's reign must have passed or been resigned.
INSERT INTO leaders (duty, holder, epoch, expires_at) VALUES (:duty, :holder, 1, :expires_at)
ON CONFLICT (duty) DO UPDATE SET
    holder = excluded.holder,
    epoch = epoch + (leaders.holder IS NOT excluded.holder),
    expires_at = excluded.expires_at
WHERE leaders.holder IS NULL OR leaders.holder = excluded.holder OR leaders.expires_at <= :now
RETURNING epoch
