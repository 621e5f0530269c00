"""The settings of a gateway: one frozen tree, read once, passed on as values.

Sources, weakest first: defaults, names of older systems (`GRPC_PORT`, `DATABASE_URL`, ...), one TOML or YAML
file, `TASKGATE_*` variables (nested with two underscores), flags. An unknown key in a file or a `TASKGATE_*`
variable is refused with the nearest known name; so is a combination that could not work or would not be safe.
Nothing here opens a socket, a database or a log. `cli` loads once; nobody else reads a file or a variable.
"""

from taskgate.config.fields import Field, describe
from taskgate.config.load import load, packed, unpacked
from taskgate.config.sources import unused
from taskgate.config.tree import Settings, is_loopback

__all__ = ["Field", "Settings", "describe", "is_loopback", "load", "packed", "unpacked", "unused"]
