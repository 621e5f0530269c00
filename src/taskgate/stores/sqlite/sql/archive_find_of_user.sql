-- `archive_find` down the index of the user.
SELECT head FROM archived_runs INDEXED BY archived_of_user
WHERE user_id = :user_id AND user_id <> '' AND {archive_wanted} ORDER BY ended_at DESC, id DESC LIMIT :limit
