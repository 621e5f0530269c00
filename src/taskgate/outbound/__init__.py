"""Other people's servers: where the gateway itself is a caller."""
