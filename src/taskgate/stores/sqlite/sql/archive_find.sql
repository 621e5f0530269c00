SELECT head FROM archived_runs INDEXED BY archived_of_site WHERE {archive_wanted} ORDER BY ended_at DESC, id DESC LIMIT :limit
