"""Committed pages between gateways of one process: a relay that is one object.

Whoever follows is told in the very call that sends, the sender's own followers too: to them it is a page that came
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from taskgate.journal.page import Page

Deliver = Callable[[Page], None]


class MemoryTailRelay:
    """TailRelay in memory, shared by the journals that it joins."""

    def __init__(self) -> None:
        self._following: dict[str, dict[object, Deliver]] = {}

    def send(self, pages: Sequence[tuple[str, Page]]) -> None:
        for subject, page in pages:
            for deliver in list(self._following.get(subject, {}).values()):
                deliver(page)

    def follow(self, subject: str, deliver: Deliver) -> Callable[[], None]:
        token = object()
        self._following.setdefault(subject, {})[token] = deliver

        def close() -> None:
            following = self._following.get(subject, {})
            following.pop(token, None)
            if not following:
                self._following.pop(subject, None)

        return close
