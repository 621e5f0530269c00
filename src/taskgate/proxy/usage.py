"""What a data plane holds at this moment, for whoever watches.

Read when somebody asks; nothing is counted along the way.
"""

from __future__ import annotations

from taskgate.proxy.call import RELAYING
from taskgate.proxy.plane import Plane
from taskgate.proxy.pool import Pool


def usage_of(plane: Plane) -> dict[str, int]:
    """Upstream connections that are `idle` and `used`, calls that are `waiting` for one, open `tunnels`."""
    pools = [pool.use for pool in plane.upstreams.standing(Pool)]
    return {
        "idle": sum(idle for idle, _, _ in pools),
        "used": sum(used for _, used, _ in pools),
        "waiting": sum(waiting for _, _, waiting in pools),
        "tunnels": sum(1 for call in plane.means.open_calls if call.state == RELAYING),
    }
