"""So many at each turn of the loop, in the order in which they came: the rest waits until what has arrived was read.

What comes in one moment by the thousand (all workers open a WebSocket after a restart) would otherwise be done in one
turn, and whoever asks something small meanwhile waits for all of it. Nobody is refused here, nobody is overtaken, and
one that comes alone goes through at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

Act = Callable[[], None]
WIDTH: Final = 16


class Turnstile:
    """`soon` calls what it is given at the next turn of the loop, behind what has arrived by then. What goes through
    raises nothing."""

    __slots__ = ("_free", "_is_turning", "_soon", "_waiting", "_width")

    def __init__(self, soon: Callable[[Act], object], *, width: int = WIDTH) -> None:
        self._soon = soon
        self._width = self._free = width
        self._is_turning = False
        self._waiting: deque[Act] = deque()

    @property
    def waiting_count(self) -> int:
        """How many wait for a later turn."""
        return len(self._waiting)

    def enter(self, act: Act) -> None:
        """Do this now if it is its turn, else as soon as it is."""
        if self._free:
            self._free -= 1
            act()
        else:
            self._waiting.append(act)
        self._turn_again()

    def _turn_again(self) -> None:
        if not self._is_turning:
            self._is_turning = True
            self._soon(self._turn)

    def _turn(self) -> None:
        self._is_turning = False
        waiting = self._waiting
        going = [waiting.popleft() for _ in range(min(self._width, len(waiting)))]
        self._free = self._width - len(going)
        if going:
            self._turn_again()
        for act in going:
            act()
