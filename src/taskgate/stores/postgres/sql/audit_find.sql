-- Empty parameters restrict nothing.
SELECT seq, content, hash FROM audit_entries
WHERE ($1::bigint = 0 OR seq < $1)
    AND ($2::text = '' OR action = $2)
    AND ($3::text = '' OR outcome = $3)
    AND ($4::text = '' OR actor_id = $4)
    AND ($5::text = '' OR subject = $5)
    AND ($6::double precision IS NULL OR at >= $6)
    AND ($7::double precision IS NULL OR at < $7)
ORDER BY seq DESC LIMIT $8::bigint
