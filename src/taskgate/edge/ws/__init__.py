"""The WebSocket doors: raw ASGI, one small file per path."""
