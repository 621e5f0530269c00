"""PostgreSQL: the stores that several gateways share."""
