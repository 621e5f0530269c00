SELECT head FROM archived_runs WHERE {archive_wanted}
