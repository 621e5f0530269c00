"""Who did what: an append-only log of administrative deeds, each entry chained to the one before."""
