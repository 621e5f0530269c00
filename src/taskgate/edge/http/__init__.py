"""The HTTP door: raw ASGI for submit, poll, wait and journal; FastAPI for the administrative API."""
