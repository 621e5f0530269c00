-- Chunks from the first entry behind $2 on: no more than hold $3 entries, and none that begins beyond $4 bytes.
SELECT c.entries FROM (
    SELECT last_seq, entries, sum(size_bytes) OVER (ORDER BY last_seq) - size_bytes AS before_bytes
    FROM journal_chunks
    WHERE subject = $1 AND last_seq > $2::bigint AND first_seq <= $2::bigint + $3::bigint
    ORDER BY last_seq LIMIT $3::bigint
) AS c
WHERE c.before_bytes < $4::bigint ORDER BY c.last_seq
