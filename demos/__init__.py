"""Small real services to look at and to start."""
