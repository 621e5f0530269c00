"""SQLite in this process: one writer thread with group commit, readers of their own, SQL in files."""
