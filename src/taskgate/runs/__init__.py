"""Runs: durable work that is accepted once, done under leases and ended once."""
