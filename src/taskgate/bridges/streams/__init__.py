"""The bridge to an outside scheduler that speaks through Redis Streams."""
