SELECT subject FROM journal_subjects WHERE subject > $1 AND subject < $2 ORDER BY subject LIMIT $3
