"""Journals: append-only, numbered entries about one subject, readable live and later."""
