DELETE FROM journal_chunks WHERE subject = ANY($1::text[])
