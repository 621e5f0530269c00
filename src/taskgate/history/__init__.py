"""Ended runs kept for long, apart from the ledger, and read again."""
