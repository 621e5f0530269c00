"""Identity: who is calling, what that principal may do, and for which tenant."""
