"""Adapters on MariaDB and MySQL."""
