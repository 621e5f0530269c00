-- `archive_find` down the index of the user.
SELECT head FROM archived_runs WHERE user_id = $6 AND user_id <> '' AND {archive_wanted}
