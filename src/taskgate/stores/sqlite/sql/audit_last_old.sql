-- The last of the oldest entries that are all from before a moment, at most so many.
SELECT seq, hash FROM (SELECT seq, hash, at FROM audit_entries ORDER BY seq LIMIT :limit)
WHERE seq < coalesce(
    (SELECT seq FROM (SELECT seq, at FROM audit_entries ORDER BY seq LIMIT :limit) WHERE at >= :before
     ORDER BY seq LIMIT 1), 9223372036854775807)
ORDER BY seq DESC LIMIT 1
