"""Stores in memory: the defaults of tests, and the model that real stores must equal."""
