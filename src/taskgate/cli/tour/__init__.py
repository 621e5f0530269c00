"""The tour of `taskgate up`: real calls against the running system, with their real answers."""
