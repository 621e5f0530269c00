"""The HTTP data plane: server protocol, upstream pool, forwarding, tunnels, the holder of target `http`."""
