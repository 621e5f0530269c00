"""What several gateways share for speed, on Redis: an index and a messenger, never the only copy of anything."""
