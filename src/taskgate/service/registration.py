"""Keeps one service registered from a thread of its own, so that a busy event loop costs no renewal.

It never stops the service: whatever goes wrong is logged, kept in `problem`, and tried again. At the end the last
process of the service on this machine withdraws it; a process that is killed leaves that to the lease.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from taskgate.service.announcing import Announcer, Reply, Verb
from taskgate.service.line import Line
from taskgate.service.presence import Presence
from taskgate.service.settings import ServiceSettings

_log = logging.getLogger("taskgate.service")
DOOR_S = 3.0
KNOCK_S = 0.05
END_S = 4.0
NOT_OURS = "lease_s 0"  # a warning for those who register once and never renew


class Registration:
    """One service at one gateway. `start` and `stop` may be called in turn; both return at once or soon."""

    def __init__(self, settings: ServiceSettings, *, body: Callable[[], bytes]) -> None:
        """`body` makes the registration's JSON; it is called again before each renewal, so a change is announced."""
        self.settings = settings
        self._body = body
        self._announcer = Announcer(retries=settings.retries, delay_s=settings.delay_s)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._last = b""

    @property
    def is_registered(self) -> bool:
        """Whether the gateway's last word was that it knows this service."""
        return self._announcer.is_registered

    @property
    def identity_secret(self) -> str:
        """What `verify_identity` needs; empty until the gateway has answered a registration."""
        return self._announcer.identity_secret

    @property
    def problem(self) -> str:
        """Why it is not registered or not renewed; empty while all is well or nothing is wanted."""
        return self._announcer.problem

    def start(self) -> None:
        """Begin in the background. Without a gateway, or with settings that cannot work, only a line in the log."""
        if not self.settings.is_wanted:
            _log.debug("GATEWAY_URL is empty: %s is not announced", self.settings.name or "the service")
            return
        if complaint := self.settings.complaint():
            self._announcer.problem = complaint
            _log.error("not announced: %s", complaint)
            return
        self._stopping.clear()
        self._announcer.is_registered = False
        self._thread = threading.Thread(target=self._keep, name=f"registration of {self.settings.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the renewals and withdraw; a gateway that does not answer holds nobody up for more than seconds."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(END_S)

    def _keep(self) -> None:
        line = Line(self.settings)
        presence = Presence(self.settings)
        presence.enter()
        try:
            self._await_own_door()
            while not self._stopping.wait(self._speak(line)):
                pass
        finally:
            is_last = presence.leave()
            if self.is_registered and is_last:
                reply = line.withdraw()
                _log.info("%s: %s", self.settings.name, reply.detail or "withdrawn")
            self._announcer.is_registered = False
            line.close()

    def _speak(self, line: Line) -> float:
        """One word to the gateway; seconds until the next."""
        if self._stopping.is_set():
            return 0.0
        try:
            self._last = self._body()
        except Exception as error:  # the author's own code made it: what stands at the gateway stays
            detail = f"the service's document cannot be made: {type(error).__name__}: {error}"
            if not self._last:
                return self._settle("register", Reply(status=0, detail=detail))
            _log.warning("%s: %s", self.settings.name, detail)
        verb = self._announcer.next(self._last)
        reply = line.register(self._last) if verb == "register" else line.renew()
        return self._settle(verb, reply)

    def _settle(self, verb: Verb, reply: Reply) -> float:
        outcome = self._announcer.told(verb, body=self._last, reply=reply)
        if outcome.text:
            where = f"{self.settings.name} ({self.settings.base_url})"
            _log.log(outcome.level, "%s at %s: %s", where, self.settings.gateway_url, outcome.text)
        for warning in reply.warnings:
            if NOT_OURS not in warning:
                _log.warning("%s: %s", self.settings.name, warning)
        return outcome.pause_s

    def _await_own_door(self) -> None:
        """Wait a little until the service answers: a server opens its port after its lifespan has begun.

        Best effort: an address that only the gateway can reach is announced after `DOOR_S` all the same.
        """
        parts = urlsplit(self.settings.base_url)
        door = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        for _ in range(round(DOOR_S / KNOCK_S)):
            try:
                socket.create_connection(door, timeout=KNOCK_S).close()
            except OSError:
                if self._stopping.wait(KNOCK_S):
                    return
            else:
                return
