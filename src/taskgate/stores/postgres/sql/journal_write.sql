-- What a commit adds, and what is known behind it; gives the name by which the commit can be asked for.
WITH known AS (
    UPDATE journal_subjects AS s
    SET last_seq = v.last_seq, stored_bytes = v.stored_bytes, is_full = v.is_full, sources = v.sources
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bytea[])
        AS v(subject, last_seq, stored_bytes, is_full, sources)
    WHERE s.subject = v.subject
), added AS (
    INSERT INTO journal_chunks (subject, last_seq, first_seq, size_bytes, entries)
    SELECT v.subject, v.last_seq, v.first_seq, v.size_bytes, v.entries
    FROM unnest($6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[])
        AS v(subject, last_seq, first_seq, size_bytes, entries)
)
SELECT pg_current_xact_id()::text
