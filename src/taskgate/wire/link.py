"""The conversation between a worker and a gateway: its theory, its phases and its rules as data.

`WorkerLink` and `GatewayLink` are the two machines. They touch no socket, no loop and no clock: a shell
tells them what happened and when (`now`, monotonic seconds of its own machine) and does what they ask.
    events = link.received(message, now)     what came in; the shell acts on the events
    link.send(message, now)                  what the shell wishes to say: a message IS the verb
    events = link.tick(now)                  when `next_tick_at()` has come
    messages = link.outgoing()               after each of these: everything to send, for one frame
An illegal message from the other side raises RemoteLinkError (the shell closes the connection), an illegal
wish LocalLinkError (a bug of ours); either leaves the machine as it was.

A connection goes GREETING → WELCOMING → OPEN → CLOSED and is never reopened. The worker's machine lives
longer: between two connections it is AWAY, and runs, leases, results and logs go on. A transport keeps order
and loses nothing inside a connection; a cut loses any tail of what was under way, in both directions. So
everything that must arrive is kept until it is answered, and said again after the next welcome:
    result   until `ack`      in the order they ended; the ledger answers a repeat with `replayed`
    log      until `log_ack`  in order, per (run, attempt, stream); the journal drops repeated numbers
    accept   until renewed    a begun run is in `held` of hello and of every heartbeat
    offer    never            an offer that was not begun dies with its connection: its lease is 5 s short

A run on a worker is OFFERED → RUNNING → ENDED → forgotten, with a way out through STOPPING. The worker moves
it on by Accept, Refuse, TaskResult and Stopped, the gateway by Task, Cancel and Ack. They cross on the wire:
    cancel × result    the ledger's order decides; the loser's message meets a run that it no longer fits
    cancel × accept    the run is stopped; its accept changes nothing
    cancel × refuse, cancel for an unknown run    the worker answers `stopped`: nothing of it runs, and that is all
                       the gateway wants to know
    ack × resend       the worker ignores an ack for a result it has forgotten

Fences (INV-F4). The worker must have stopped before the gateway may give the run to another. Both clocks run
at the same speed, but share no zero; so the worker counts from the moment it SENT the request that a lease was
renewed by, which is before the gateway's commit: safe until sent + left - 5 s. `left_s` is what the gateway says
is left at the moment it answers (the whole lease when it has just renewed it). `accept` has no answer of its
own: until a heartbeat confirms it, the run stands on its offer, safe until receipt + 4 s (an offer may spend up
to 1 s on its way). A run that lives for 1 s therefore asks at once for its confirmation; shorter ones, the
great mass, end without. Past a fence the shell is told to kill the run. A late answer never revives it.

Liveness is proved on the very stream that carries the work: each heartbeat has a nonce of its connection and the
gateway echoes it there. The gateway counts any message as life. 30 s without proof end the connection on either
side, and end no lease.

Credit is cumulative (like QUIC's MAX_STREAMS): `ready{credit}` is how many offers may have been sent since hello,
so it needs no order with the offers that are under way. A simple client (hello without `versions`) has no
`ready`: one offer at a time, the sending counts as accept, each heartbeat renews what it holds, and the credit
returns with the result.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from taskgate.wire import messages as m


class Phase(StrEnum):
    """Where a connection stands, for either side."""

    AWAY = "away"  # worker: there is no connection
    GREETING = "greeting"  # gateway: hello has not come
    WELCOMING = "welcoming"  # hello was said, welcome has not come
    OPEN = "open"
    CLOSED = "closed"  # nothing more may be said


class Hold(StrEnum):
    """Where a run stands on a worker."""

    OFFERED = "offered"
    RUNNING = "running"
    STOPPING = "stopping"  # ordered to stop, perhaps not gone yet
    ENDED = "ended"  # its result waits for `ack`
    GONE = "gone"


Kinds = frozenset[type[m.Message]]
NOTHING: Kinds = frozenset()

WORKER_SAYS: dict[Phase, Kinds] = {
    Phase.AWAY: NOTHING,
    Phase.GREETING: frozenset({m.Hello}),
    Phase.WELCOMING: NOTHING,
    Phase.OPEN: frozenset[type[m.Message]](
        {
            m.Ready,
            m.Accept,
            m.Refuse,
            m.Heartbeat,
            m.Log,
            m.Progress,
            m.TaskResult,
            m.Stopped,
            m.Credential,
            m.Drain,
            m.Bye,
        }
    ),
    Phase.CLOSED: NOTHING,
}

GATEWAY_SAYS: dict[Phase, Kinds] = {
    Phase.AWAY: NOTHING,
    Phase.GREETING: frozenset({m.Failure}),
    Phase.WELCOMING: frozenset({m.Welcome, m.Failure, m.Drain}),
    Phase.OPEN: frozenset(
        {m.Task, m.HeartbeatAck, m.LogAck, m.Ack, m.Cancel, m.Config, m.Drain, m.Failure, m.Credential}
    ),
    Phase.CLOSED: NOTHING,
}

# What moves a run, whoever's machine looks at it; a pair that is missing is illegal. An order to stop is
# written as Cancel, whether it came as `cancel`, in `heartbeat_ack.stop`, in `welcome.lost` or from a fence.
MOVES: dict[tuple[Hold, type[m.Message]], Hold] = {
    (Hold.OFFERED, m.Accept): Hold.RUNNING,
    (Hold.OFFERED, m.Refuse): Hold.GONE,
    (Hold.OFFERED, m.Cancel): Hold.STOPPING,
    (Hold.RUNNING, m.TaskResult): Hold.ENDED,
    (Hold.RUNNING, m.Cancel): Hold.STOPPING,
    (Hold.RUNNING, m.Stopped): Hold.GONE,
    (Hold.STOPPING, m.Cancel): Hold.STOPPING,
    (Hold.STOPPING, m.Accept): Hold.STOPPING,
    (Hold.STOPPING, m.Refuse): Hold.GONE,
    (Hold.STOPPING, m.TaskResult): Hold.ENDED,
    (Hold.STOPPING, m.Stopped): Hold.GONE,
    (Hold.ENDED, m.TaskResult): Hold.ENDED,
    (Hold.ENDED, m.Cancel): Hold.ENDED,
    (Hold.ENDED, m.Stopped): Hold.ENDED,
    (Hold.ENDED, m.Ack): Hold.GONE,
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one link. Seconds, bytes and counts."""

    hello_s: float = 5.0  # gateway: hello must be there by then
    welcome_s: float = 10.0  # worker: the answer to hello must be there by then
    start_s: float = 1.0  # worker: an offer not begun by then goes back as `busy`
    offer_margin_s: float = 1.0  # worker: an offer is given up this long before its lease ends, counted from receipt
    fence_margin_s: float = 5.0  # worker: a lease is given up this long, at most a quarter of it, before it passes on
    confirm_s: float = 1.0  # worker: a run that lives this long after accept asks for its renewal
    log_window_bytes: int = 4 << 20  # worker: log text that is not durable yet
    unsettled_count: int = 1000  # worker: results under way before it asks for no more offers
    log_lines: int = 1000
    line_chars: int = 64 << 10
    held_count: int = 10_000
    room: int = 1024  # gateway: offers that one worker may have waiting, whatever credit it claims
