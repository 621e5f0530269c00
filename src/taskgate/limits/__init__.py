"""Limits: how much of something is allowed, decided without I/O."""
