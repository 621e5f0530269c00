"""Telemetry: logs, metrics and traces. It listens to the bus and never changes what it sees."""
