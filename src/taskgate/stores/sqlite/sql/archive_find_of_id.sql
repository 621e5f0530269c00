-- `archive_find` down the ids that begin alike.
SELECT head FROM archived_runs INDEXED BY sqlite_autoindex_archived_runs_1
WHERE id >= :id_prefix AND id < :id_end AND {archive_wanted} ORDER BY +ended_at DESC, +id DESC LIMIT :limit
