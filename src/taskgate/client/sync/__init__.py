"""The blocking client, over urllib3."""

from taskgate.client.sync.client import Client
from taskgate.client.sync.run import Run

__all__ = ["Client", "Run"]
