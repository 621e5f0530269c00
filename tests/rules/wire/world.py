"""Two links joined by a fake wire: a worker, a gateway, and a network that delays, stalls and cuts.

A connection keeps order and loses nothing until it is cut; a cut loses a tail of either direction, the frame in the
middle included. Each side has a clock of its own zero. Frames are real JSON text frames. Time moves from one moment
that matters to the next, so nothing waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf

import msgspec

from taskgate.errors import LeaseLost
from taskgate.wire import gateway_events as ge
from taskgate.wire import messages as m
from taskgate.wire import worker_events as we
from taskgate.wire.gateway_link import GatewayLink
from taskgate.wire.json_codec import decode_gateway_frame, decode_worker_frame, encode_frames
from taskgate.wire.link import Phase
from taskgate.wire.worker_link import WorkerLink
from tests.rules.wire.ledger import LEASE_S, OFFER_S, Key, Ledger, LedgerRun

OFFER_TRAVEL_S = 1.0  # what INV-F4 assumes about the way of an offer
WORKER_ZERO = 1000.0


class Pipe:
    """One direction of one connection."""

    def __init__(self) -> None:
        self.frames: deque[tuple[float, bytes]] = deque()
        self.stalled_until = 0.0

    def put(self, frame: bytes, at: float) -> None:
        self.frames.append((max(at, self.frames[-1][0] if self.frames else at), frame))

    def next_at(self) -> float:
        return max(self.frames[0][0], self.stalled_until) if self.frames else inf

    def take(self, now: float) -> bytes | None:
        return self.frames.popleft()[1] if self.next_at() <= now else None


class Connection:
    """Both directions, and the gateway's link at one end of it."""

    def __init__(self, now: float) -> None:
        self.link = GatewayLink(now, "w1")
        self.up = Pipe()
        self.down = Pipe()


class Hands:
    """The worker's shell: processes that write lines and end."""

    def __init__(self, link: WorkerLink) -> None:
        self.link = link
        self.waiting: dict[Key, m.Task] = {}
        self.running: dict[Key, m.Task] = {}
        self.written: dict[Key, list[str]] = {}
        self.settled: list[tuple[Key, str]] = []
        self.stopped_for: dict[Key, str] = {}

    def act(self, event: we.WorkerEvent, now: float) -> bool:
        """Do what the link asks; whether the connection is to be closed."""
        match event:
            case we.Offered(task):
                self.waiting[task.run_id, task.attempt] = task
            case we.OfferExpired(run_id, attempt, _):
                del self.waiting[run_id, attempt]
            case we.Stop(run_id, attempt, reason):
                task = self.running.pop((run_id, attempt))
                self.stopped_for[run_id, attempt] = reason
                self.link.send(m.Stopped(run_id=run_id, attempt=attempt, lease_token=task.lease_token), now)
            case we.ResultSettled(run_id, attempt, verdict, _):
                self.settled.append(((run_id, attempt), verdict))
            case we.GatewayDead():
                return True
        return False

    def start(self, key: Key, now: float) -> None:
        """Begin an offer that waits, unless it is too late."""
        task = self.waiting.pop(key)
        try:
            self.link.send(m.Accept(run_id=key[0], attempt=key[1], lease_token=task.lease_token), now)
        except LeaseLost:
            return
        self.running[key] = task

    def write(self, key: Key, count: int, now: float) -> None:
        """Say `count` lines in one batch, and once the progress."""
        task, written = self.running[key], self.written.setdefault(key, [])
        first = len(written) + 1
        lines = [m.LogLine(seq=seq, text=f"{key[0]}/{key[1]}/{seq}") for seq in range(first, first + count)]
        written += [line.text for line in lines]
        token = task.lease_token
        self.link.send(m.Log(run_id=key[0], attempt=key[1], lease_token=token, stream="stdout", lines=lines), now)

    def finish(self, key: Key, now: float) -> None:
        """The process returns its answer."""
        task = self.running.pop(key)
        answer = msgspec.json.encode({"by": key})
        self.link.send(
            m.TaskResult(run_id=key[0], attempt=key[1], lease_token=task.lease_token, result=msgspec.Raw(answer)), now
        )


class World:
    """One worker, one gateway, the wire between them, and the time."""

    def __init__(self, *, capacity: int = 4, lazily: bool = False) -> None:
        self.now = 0.0
        self.ledger = Ledger()
        self.lazily = lazily
        self.delay_s = 0.0
        self.connection: Connection | None = None
        hello = m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=["work"], slots=capacity)
        self.hands = Hands(WorkerLink(hello, capacity=capacity, chance=lambda: 0.5))
        self.breaches: list[Key] = []
        self.late_offers: set[Key] = set()

    # -------------------------------------------------------- what the tests do

    def add(self, run_id: str) -> None:
        """A caller submits."""
        self.ledger.runs[run_id] = LedgerRun()

    def connect(self) -> None:
        """The worker dials; an older connection is replaced at the gateway."""
        self.connection = Connection(self.now)
        self.hands.link.connected(self.worker_now)
        self._flush()

    def cut(self, *, up: int, down: int) -> None:
        """The connection breaks: of what is under way only the first few frames arrive."""
        wire = self.connection
        if wire is None:
            return
        for _ in range(min(up, len(wire.up.frames))):
            self._hear_worker(wire, wire.up.frames.popleft()[1])
        for _ in range(min(down, len(wire.down.frames))):
            self._hear_gateway(wire.down.frames.popleft()[1])
        self._close()

    def advance(self, seconds: float) -> None:
        """Let time pass, moment by moment."""
        end = self.now + seconds
        while True:
            self._settle()
            moment = self._next_moment()
            if moment > end:
                break
            self.now = max(self.now, moment)
        self.now = end
        self._settle()

    def offer(self) -> None:
        """The dispatcher gives what is queued to the worker, as far as there is room."""
        wire = self.connection
        if wire is None or wire.link.phase is not Phase.OPEN:
            return
        for run_id in self.ledger.queued():
            if wire.link.room <= 0:
                break
            wire.link.send(self.ledger.grant(run_id, self.now), self.now)
        self._flush()

    def cancel(self, run_id: str) -> None:
        """A caller cancels; the lease is void at once."""
        run = self.ledger.runs[run_id]
        if run.ended:
            return
        run.cancelled, run.expires_at = True, None
        if self.connection is not None and self.connection.link.phase is Phase.OPEN and run.attempt:
            self.connection.link.send(m.Cancel(run_id=run_id, attempt=run.attempt), self.now)
            self._flush()

    def do(self, what: Callable[[Hands, float], None]) -> None:
        """Something that the worker's shell does by itself."""
        what(self.hands, self.worker_now)
        self._flush()

    @property
    def worker_now(self) -> float:
        return self.now + WORKER_ZERO

    # -------------------------------------------------------- the wire

    def _next_moment(self) -> float:
        moments = [self.hands.link.next_tick_at() - WORKER_ZERO]
        moments += [run.expires_at for run in self.ledger.runs.values() if run.expires_at is not None]
        if self.connection is not None:
            wire = self.connection
            moments += [wire.up.next_at(), wire.down.next_at(), wire.link.next_tick_at()]
        return min(moments)

    def _settle(self) -> None:
        """Everything that is due now: deliveries first, then clocks, then the ledger."""
        wire = self.connection
        while wire is not None and wire is self.connection and (frame := wire.up.take(self.now)) is not None:
            self._hear_worker(wire, frame)
        while wire is not None and wire is self.connection and (frame := wire.down.take(self.now)) is not None:
            self._hear_gateway(frame)
        self._act(self.hands.link.tick(self.worker_now))
        if self.connection is not None:
            for event in self.connection.link.tick(self.now):
                self._judge(self.connection, event)
        for key in self.ledger.expire(self.now):
            if key in self.hands.running and key not in self.late_offers:
                self.breaches.append(key)
        self._flush()

    def _flush(self) -> None:
        """Both sides hand over what they have to say, one frame each."""
        said = self.hands.link.outgoing()
        wire = self.connection
        if wire is None:
            return
        for frame in encode_frames(said):
            wire.up.put(frame, self.now + self.delay_s)
        for frame in encode_frames(wire.link.outgoing()):
            wire.down.put(frame, self.now + self.delay_s)

    def _close(self) -> None:
        self.connection = None
        self._act(self.hands.link.disconnected(self.worker_now))

    def _hear_gateway(self, frame: bytes) -> None:
        for message in decode_gateway_frame(frame):
            if isinstance(message, m.Task):
                key = (message.run_id, message.attempt)
                if self.now - self.ledger.granted_at[key] > OFFER_TRAVEL_S:
                    self.late_offers.add(key)
            self._act(self.hands.link.received(message, self.worker_now))
        self._flush()

    def _act(self, events: Sequence[we.WorkerEvent]) -> None:
        dead = [self.hands.act(event, self.worker_now) for event in events]
        if any(dead):
            self.connection = None

    # -------------------------------------------------------- the gateway's shell

    def _hear_worker(self, wire: Connection, frame: bytes) -> None:
        for message in decode_worker_frame(frame):
            for event in wire.link.received(message, self.now):
                self._judge(wire, event)
        self._flush()

    def _judge(self, wire: Connection, event: ge.GatewayEvent) -> None:
        link, now = wire.link, self.now
        match event:
            case ge.Helloed(hello):
                lost = [r for r in hello.held if self.ledger.renew(r, now, lazily=self.lazily) is None]
                link.send(m.Welcome(worker_id="w1", lease_s=LEASE_S, offer_s=OFFER_S, lost=lost), now)
            case ge.Accepted(accept):
                receipt = m.Receipt(run_id=accept.run_id, attempt=accept.attempt, lease_token=accept.lease_token)
                if self.ledger.renew(receipt, now, lazily=False) is None:
                    link.send(m.Cancel(run_id=accept.run_id, attempt=accept.attempt, reason="lost"), now)
            case ge.Refused(refuse):
                run = self.ledger.runs[refuse.run_id]
                if run.attempt == refuse.attempt and not run.ended:
                    run.expires_at = None
            case ge.BeatReceived(nonce, held, _):
                left = [(r, self.ledger.renew(r, now, lazily=self.lazily)) for r in held]
                renewed = [msgspec.structs.replace(r, left_s=left_s) for r, left_s in left if left_s is not None]
                stop = [r for r, left_s in left if left_s is None]
                link.send(m.HeartbeatAck(nonce=nonce, renewed=renewed, stop=stop), now)
            case ge.LogsReceived(log):
                seq = self.ledger.append(log)
                link.send(m.LogAck(run_id=log.run_id, attempt=log.attempt, stream=log.stream, seq=seq), now)
            case ge.ResultReceived(result):
                verdict = self.ledger.apply(result)
                link.send(m.Ack(run_id=result.run_id, attempt=result.attempt, verdict=verdict), now)
            case ge.WorkerDead():
                self._close()
