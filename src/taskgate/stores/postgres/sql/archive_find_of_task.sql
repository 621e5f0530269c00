-- `archive_find` down the index of the task.
SELECT head FROM archived_runs WHERE task = $7 AND {archive_wanted}
