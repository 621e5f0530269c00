-- `archive_find` down the index of the task.
SELECT head FROM archived_runs INDEXED BY archived_of_task WHERE task = :task AND {archive_wanted} ORDER BY ended_at DESC, id DESC LIMIT :limit
