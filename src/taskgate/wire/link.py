"""The conversation between a worker and a gateway: its theory, its phases and its rules as data.

`worker_link.WorkerLink` and `gateway_link.GatewayLink` are the two machines. They touch no socket, no loop
and no clock: a shell tells them what happened and when (`now`, monotonic seconds) and performs what they
ask for. Nothing here may import asyncio or a transport.

How a shell drives either machine:
    events = link.received(message, now)     what came in; then act on the events
    link.send(message, now)                  what the shell wishes to say: a message IS the verb
    events = link.tick(now)                  when `next_tick_at()` has come; never needed earlier
    messages = link.outgoing()               after each of these: everything to be sent, for one frame
An illegal message from the other side raises RemoteLinkError (close the connection), an illegal wish
raises LocalLinkError (a bug of ours); neither changes any state.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """Where a connection stands, for either side."""

    AWAY = "away"  # worker: no connection; runs, results and logs are kept
    GREETING = "greeting"  # hello is under way, welcome has not come
    OPEN = "open"
    CLOSED = "closed"  # bye was said, or the peer is dead: nothing more may be sent


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one link. Seconds, bytes and counts."""

    hello_s: float = 5.0  # gateway: the first message must be there by then
    welcome_s: float = 10.0  # worker: the answer to hello must be there by then
    start_s: float = 1.0  # worker: an offer not begun by then goes back as `busy`
    offer_safe_s: float = 4.0  # worker: an offer may be begun until receipt + this, unconfirmed work ends then
    fence_margin_s: float = 5.0  # worker: a lease is given up this long before it can pass to another
    confirm_s: float = 1.0  # worker: a run that lives this long after accept asks for its renewal
    log_window_bytes: int = 4 << 20  # worker: log text that is sent or waiting but not durable yet
    log_lines: int = 1000
    line_bytes: int = 64 << 10
    held_count: int = 10_000
    room: int = 1024  # gateway: offers that one worker may have waiting, whatever credit it claims
