"""The doors: HTTP, WebSocket and gRPC. Shapes come in, a status goes out; no rule is decided here."""
