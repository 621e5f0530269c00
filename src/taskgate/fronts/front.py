"""One front: a data plane of its own on the shared port, and the way to the gateway for everything else.

Order of opening: the link (routes), the keys, the plane, then the door. Order of closing (SIGTERM): no new
connections, what is in flight is finished, then the rest. A front keeps nothing: it may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec

from taskgate.bus import Bus
from taskgate.clock import SystemClock
from taskgate.config import Settings, unpacked
from taskgate.edge.failures import Tries
from taskgate.edge.gate import Gate, shows_other
from taskgate.errors import TaskgateError
from taskgate.events import KeyRevoked
from taskgate.fronts import feeding
from taskgate.fronts.asking import AskedKeyRing, AskedRecords, AskedRunDoor, Questions
from taskgate.fronts.handing_on import SOCKET, HandingOn
from taskgate.fronts.link import Link
from taskgate.fronts.messages import Begin, Told
from taskgate.ground import reach_of
from taskgate.identity.keys import TOPIC as KEYS
from taskgate.identity.keys import Keys
from taskgate.identity.reviewing import KeyReview
from taskgate.identity.signing import IdentitySigner
from taskgate.lifespan import Lifespan
from taskgate.proxy.counters import Growth
from taskgate.proxy.credentials import secrets_of
from taskgate.proxy.doorway import Fronts
from taskgate.proxy.listening import Listener, listen, listener_config
from taskgate.proxy.plane import Plane
from taskgate.proxy.ports import Front as CallerFront
from taskgate.proxy.ports import Head, Item
from taskgate.proxy.recorder import Recorder
from taskgate.proxy.trust import Trust
from taskgate.proxy.usage import usage_of
from taskgate.rereading import Rereader
from taskgate.stores.memory.signals import MemorySignals
from taskgate.telemetry.access import AccessLog
from taskgate.telemetry.logs import setup_logs
from taskgate.tls.doors import certificates_of
from taskgate.worker.confinement import die_with_parent

SWITCH_S = 0.0005
WATCH_S = 0.25
REVIEW_AGAIN_S = 60.0  # the gateway looks more often, and says what it finds


class FrontProcess:
    """The object graph of a front, and its life."""

    def __init__(self, begin: Begin, settings: Settings) -> None:
        self._begin = begin
        self._settings = settings
        clock, bus, signals, questions = SystemClock(), Bus(), MemorySignals(), Questions()
        ring, believe_s = AskedKeyRing(questions), settings.auth.believe_s
        keys = Keys(ring, clock=clock, bus=bus, signals=signals, believe_s=believe_s)
        review = KeyReview(ring, bus=bus, clock=clock)
        reviewing = Rereader(review.read, signals=signals, topic=KEYS, name="front", every_s=REVIEW_AGAIN_S)
        tries = Tries(clock, rate=settings.auth.tries_per_s, burst=settings.auth.tries_burst)
        gate = Gate(keys, clock=clock, auth_enabled=settings.auth.enabled, tries=tries)
        reach = reach_of(settings, clock)
        for port in begin.own_ports:
            reach.shut(port)
        recorder = Recorder(
            AskedRecords(questions), settings.proxy, clock=clock, secrets=secrets_of(settings.proxy.credentials)
        )
        self.plane = Plane(
            settings.proxy,
            door=gate,
            pinner=reach,
            run_door=AskedRunDoor(questions),
            recording=recorder,
            share=1 / begin.count,
            signer=IdentitySigner(bytes.fromhex(begin.identity_root)),
            origins=settings.http.cors_origins,
        )
        bus.subscribe(KeyRevoked, lambda event: self.plane.revoke(event.key_id))
        self._handing_on = HandingOn(settings.data_path / SOCKET, self.plane.means)
        link = Link(
            settings.data_path / feeding.SOCKET,
            questions,
            signals=signals,
            on_routes=self.plane.apply,
            tell=self._told,
        )
        self._tls = certificates_of("http", settings.http, clock=clock)
        watched = [] if self._tls is None else [self._tls]
        self._life = Lifespan(*self._access(), link, reviewing, keys, reach, recorder, self.plane, *watched)
        self._growth = Growth()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask for the orderly end."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises why when a part dies: one that hears no news would believe revoked keys."""
        settings = self._settings
        async with self._life:
            listener = listen(settings.http.host, self._begin.port, is_shared=True)
            config = listener_config(
                no_application,
                tls=self._context(),
                max_frame_bytes=settings.link.max_frame_bytes,
            )
            door = Listener(
                config,
                Fronts(self._claim, settings.proxy, certifiers=Trust(settings.auth.certificate_proxies)),
                handshake_s=settings.proxy.handshake_s,
            )
            serving = asyncio.create_task(door.serve(sockets=[listener]), name="front door")
            stopping = asyncio.create_task(self._stop.wait())
            gc.freeze()
            failure = None
            while failure is None and not (serving.done() or stopping.done()):
                await asyncio.wait({serving, stopping}, timeout=WATCH_S, return_when=asyncio.FIRST_COMPLETED)
                failure = self._life.ailment()
            stopping.cancel()
            door.end()
            await serving
        if failure is not None:
            raise failure

    def _access(self) -> list[AccessLog]:
        """Who tells the calls that are forwarded from here, where settings want it."""
        if not self._settings.log.access:
            return []
        access = self.plane.means.access = AccessLog()
        return [access]

    def _context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        return self._tls.context(is_client_required=self._settings.http.tls_client_required)

    def _claim(self, front: CallerFront, head: Head) -> Item:
        """A front knows keys. Who shows anything else (a token, a certificate) is for the gateway to know."""
        item = None if shows_other(head.pairs) else self.plane(front, head)
        return item or self._handing_on(front, head)

    def _told(self) -> Told:
        grown = self._growth.since(self.plane.counters())
        return Told(health=self.plane.all_health(), usage=usage_of(self.plane), grown=grown)


async def no_application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """What a front answers itself: TRACE is served nowhere."""
    await send({"type": "http.response.start", "status": 405, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def run() -> int:
    """Serve in this process with what standard input says; the exit code."""
    import uvloop

    begin = msgspec.json.decode(sys.stdin.buffer.read(), type=Begin)
    settings = unpacked(begin.settings)
    setup_logs(settings.log)
    sys.setswitchinterval(SWITCH_S)
    if not die_with_parent(os.getppid(), by=signal.SIGTERM):
        return 1

    async def serve() -> None:
        front = FrontProcess(begin, settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, front.stop)
        await front.run()

    try:
        uvloop.run(serve())
    except TaskgateError as error:
        print(f"front: {error}", file=sys.stderr)
        return 1
    return 0
