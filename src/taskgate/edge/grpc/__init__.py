"""The door for workers over gRPC."""
