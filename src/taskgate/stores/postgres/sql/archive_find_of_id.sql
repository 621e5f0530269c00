-- `archive_find` down the ids that begin alike.
SELECT head FROM (SELECT * FROM archived_runs WHERE id >= $11 AND id < $12::text OFFSET 0) AS alike
WHERE {archive_wanted}
