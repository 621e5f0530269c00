"""Other people's OpenAPI documents: read, brought to 3.1, compared, and merged into one."""
