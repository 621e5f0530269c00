"""Further processes of one gateway on an embedded store: they proxy, and hand everything else to the gateway."""
