WITH locked AS MATERIALIZED (
    SELECT subject FROM journal_subjects WHERE subject = ANY($1::text[]) ORDER BY subject FOR UPDATE
)
DELETE FROM journal_subjects WHERE subject = ANY(ARRAY(SELECT subject FROM locked))
