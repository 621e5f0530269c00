"""Which addresses a connection may go to at this moment: resolve, judge every address, hand out what was judged.

Whoever connects uses exactly what `pin` returned and never resolves the name again, so a name that changes its
answer between the judging and the connect (DNS rebinding) gains nothing. An answer is kept for a few seconds; a name
of which one single address is refused is refused whole. Names are resolved by the machine's own resolver.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from taskgate.clock import Clock
from taskgate.errors import Forbidden, TaskgateError, Unavailable
from taskgate.lifespan import TaskSet
from taskgate.reach.judging import Rules, read_ip, unwrapped

RESOLVE_S = 5.0
KEPT_S = 5.0
KEPT_COUNT = 4096
RETRY_S = 1.0

Resolve = Callable[[str], Awaitable[Sequence[str]]]
Place = tuple[str, int, str]

_log = logging.getLogger(__name__)


async def resolve(name: str) -> Sequence[str]:
    """The addresses of a name, as the machine's resolver gives them. OSError when it gives none."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class Reach:
    """Judges where upstreams are. `closed` are places of the gateway's own (its stores): host and port."""

    def __init__(
        self,
        rules: Rules,
        *,
        clock: Clock,
        closed: Sequence[tuple[str, int]] = (),
        resolve: Resolve = resolve,
        deadline_s: float = RESOLVE_S,
        is_here: Callable[[str], bool] | None = None,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._closed = tuple(closed)
        self._resolve = resolve
        self._deadline_s = deadline_s
        self._is_here = is_here or is_address_here
        self._kept: dict[Place, tuple[tuple[str, ...], float]] = {}
        self._asked: dict[Place, asyncio.Task[tuple[str, ...] | TaskgateError]] = {}
        self._tasks = TaskSet()

    async def start(self) -> None:
        """Nothing is opened beforehand."""

    async def stop(self) -> None:
        """Give up every look-up."""
        await self._tasks.close()

    def shut(self, port: int) -> None:
        """A port of the gateway's own is known, as it is once it listens: nothing is called there on this machine."""
        self.judge_anew(replace(self._rules, own_ports=self._rules.own_ports | {port}))

    def judge_anew(self, rules: Rules) -> None:
        """Other rules, from the next call on."""
        self._rules = rules
        self._kept.clear()
        self._asked.clear()

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        """The judged IP addresses of an upstream of that site, in the order to try them.

        Forbidden (ADDRESS_FORBIDDEN) when one of them must not be reached, Unavailable (NAME_NOT_RESOLVED) when the
        name has none or does not resolve in time. Many that ask at once cost one look-up.
        """
        place = (host, port, scheme)
        kept = self._kept.get(place)
        if kept is not None and self._clock.monotonic() < kept[1]:
            return kept[0]
        task = self._asked.get(place)
        if task is None:
            task = self._asked[place] = self._tasks.spawn(self._look_up(place), name="judging an address")
        found = await asyncio.shield(task)
        if isinstance(found, TaskgateError):
            _log.debug("site %s may not call %s: %s", site_id, host, found)
            raise type(found)(found.detail, code=found.code, extra=found.extra)
        return found

    async def _look_up(self, place: Place) -> tuple[str, ...] | TaskgateError:
        rules = self._rules
        try:
            found = await self._judged(place, rules)
        except (Forbidden, Unavailable) as error:
            return error
        else:
            if rules is self._rules:
                self._keep(place, found)
            return found
        finally:
            if self._asked.get(place) is asyncio.current_task():
                del self._asked[place]

    async def _judged(self, place: Place, rules: Rules) -> tuple[str, ...]:
        host, port, scheme = place
        if not host.isascii() or not host.isprintable():
            raise _forbidden(host, "it is not written in plain ASCII")
        closed = await self._closed_on(port, asked_for=host)
        judged: list[str] = []
        for text in await self._addresses(host):
            address = read_ip(text)
            if address is None or self._is_closed(str(address), closed):
                raise _forbidden(host, "nobody but the gateway calls what is there")
            is_here = port in rules.own_ports and self._is_here(str(address))
            why = rules.refusal(address, port, scheme=scheme, host=host, is_here=is_here)
            if why is not None:
                raise _forbidden(host, why)
            judged.append(str(unwrapped(address)))
        return tuple(dict.fromkeys(judged))

    async def _addresses(self, host: str) -> Sequence[str]:
        if read_ip(host) is not None:
            return [host]
        try:
            async with asyncio.timeout(self._deadline_s):
                found = await self._resolve(host)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise _unresolved(host) from error
        if not found:
            raise _unresolved(host)
        return found

    async def _closed_on(self, port: int, *, asked_for: str) -> frozenset[str]:
        """The addresses at which this port belongs to a store of ours; while that is not known nobody may call."""
        found: list[str] = []
        for host, closed_port in self._closed:
            if closed_port == port:
                try:
                    found += [str(read_ip(text)) for text in await self._addresses(host)]
                except Unavailable:
                    raise _unresolved(asked_for) from None
        return frozenset(found)

    def _is_closed(self, address: str, closed: frozenset[str]) -> bool:
        """Whether a store is there: at that address, or at any of this machine's when the store is on it."""
        return address in closed or (any(map(self._is_here, closed)) and self._is_here(address))

    def _keep(self, place: Place, found: tuple[str, ...]) -> None:
        self._kept.pop(place, None)
        self._kept[place] = (found, self._clock.monotonic() + KEPT_S)
        while len(self._kept) > KEPT_COUNT:
            del self._kept[next(iter(self._kept))]


def is_address_here(text: str) -> bool:
    """Whether the IP address is one of this machine's: only those can be bound."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((text, 0))
    except OSError:
        return False
    return True


def _forbidden(host: str, why: str) -> Forbidden:
    return Forbidden(f"{host[:253]!r} may not be called: {why}", code="ADDRESS_FORBIDDEN", extra={"host": host[:253]})


def _unresolved(host: str) -> Unavailable:
    return Unavailable(f"the name {host!r} has no address", code="NAME_NOT_RESOLVED", retry_after_s=RETRY_S)
