"""Values kept by kind and key as long as somebody needs them. What is a value, and what its end means, others know.

Who asks within `holding` holds what it asked for until it lets go; what was asked for outside stands until the second
sweep after it. Nothing is swept that is held.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

V = TypeVar("V")
Key = tuple[type, tuple[Any, ...]]


class Kept:
    """The values. `same` makes one that is not there."""

    def __init__(self) -> None:
        self._values: defaultdict[type, dict[tuple[Any, ...], Any]] = defaultdict(dict)
        self._holds: Counter[Key] = Counter()
        self._holding: set[Key] | None = None
        self._loose: set[Key] = set()
        self._unheld: set[Key] = set()

    def same(self, kind: type[V], key: tuple[Any, ...], *, make: Callable[[], V]) -> V:
        """The value of this kind under this key, the same one as long as it is kept."""
        self._note((kind, key))
        values = self._values[kind]
        found: V | None = values.get(key)
        if found is None:
            found = values[key] = make()
        return found

    def standing(self, kind: type[V]) -> list[V]:
        """All of one kind."""
        return list(self._values[kind].values())

    @contextmanager
    def holding(self) -> Iterator[set[Key]]:
        """Everything asked for within is held, once, until it is let go; not at all when this fails."""
        held = self._holding = set[Key]()
        try:
            yield held
        except BaseException:
            self.let_go(held)
            raise
        finally:
            self._holding = None

    def let_go(self, held: Iterable[Key]) -> None:
        """Hold this no more."""
        for key in held:
            self._holds[key] -= 1
            if not self._holds[key]:
                del self._holds[key]
                self._unheld.add(key)

    def swept(self) -> list[Any]:
        """Forget, and return, what nobody holds and nobody has asked for since the last sweep."""
        keys = [key for key in self._unheld - self._loose if key not in self._holds]
        self._unheld, self._loose = self._loose, set()
        return [self._values[kind].pop(key) for kind, key in keys if key in self._values[kind]]

    def _note(self, key: Key) -> None:
        if self._holding is None:
            self._loose.add(key)
            self._unheld.add(key)
        elif key not in self._holding:
            self._holding.add(key)
            self._holds[key] += 1
