"""A relay that does everything a relay may do wrong: pages are lost, come twice, come late, come as an empty page.

Followers of a journal must not notice any of it (INV-L1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from taskgate.journal.page import Page
from taskgate.journal.ports import TailRelay


class UnreliableRelay:
    """TailRelay in front of another. `lost_share` of the pages never arrive."""

    def __init__(self, relay: TailRelay, rng: Random, *, lost_share: float = 0.2) -> None:
        self._relay = relay
        self._rng = rng
        self._lost_share = lost_share
        self._late: list[tuple[str, Page]] = []

    def send(self, pages: Sequence[tuple[str, Page]]) -> None:
        for subject, page in pages:
            if self._rng.random() < self._lost_share:
                continue
            fate = self._rng.randrange(6)
            if fate == 0:
                self._late.append((subject, page))
            elif fate == 1:
                self._relay.send([(subject, page), (subject, page)])
            elif fate == 2:
                self._relay.send([(subject, Page())])
            else:
                self._relay.send([(subject, page)])
        if self._rng.randrange(3) == 0:
            late, self._late = self._late, []
            self._rng.shuffle(late)
            self._relay.send(late)

    def follow(self, subject: str, deliver: Callable[[Page], None]) -> Callable[[], None]:
        return self._relay.follow(subject, deliver)
