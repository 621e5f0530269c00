"""What is held stays the same value, what nobody needs goes, in whatever order people come and leave."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taskgate.proxy.kept import Kept, Key

KEYS = st.sampled_from("abc")


class Value:
    def __init__(self, name: str) -> None:
        self.name = name


class Model(RuleBasedStateMachine):
    """Parties that hold, askers that do not, and sweeps."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept()
        self.parties: list[tuple[frozenset[Key], dict[str, Value]]] = []
        self.loose: dict[str, Value] = {}

    def ask(self, name: str) -> Value:
        return self.kept.same(Value, (name,), make=lambda: Value(name))

    @rule(names=st.lists(KEYS))
    def hold(self, names: list[str]) -> None:
        with self.kept.holding() as held:
            values = {name: self.ask(name) for name in names}
        self.parties.append((frozenset(held), values))

    @rule(names=st.lists(KEYS))
    def fail(self, names: list[str]) -> None:
        with pytest.raises(ZeroDivisionError):
            self.hold_and_fail(names)

    def hold_and_fail(self, names: list[str]) -> None:
        with self.kept.holding():
            for name in names:
                self.ask(name)
            raise ZeroDivisionError

    @rule(name=KEYS)
    def look(self, name: str) -> None:
        self.loose[name] = self.ask(name)

    @rule(index=st.integers(0, 5))
    def leave(self, index: int) -> None:
        if index < len(self.parties):
            self.kept.let_go(self.parties.pop(index)[0])

    @rule()
    def sweep(self) -> None:
        gone = {value.name for value in self.kept.swept()}
        needed = {name for _, values in self.parties for name in values} | self.loose.keys()
        assert not gone & needed
        assert {value.name for value in self.kept.standing(Value)} == needed
        self.loose = {}

    @invariant()
    def the_same_value_stands(self) -> None:
        standing = {value.name: value for value in self.kept.standing(Value)}
        for _, values in [*self.parties, (frozenset(), self.loose)]:
            assert all(standing[name] is value for name, value in values.items())


TestKept = Model.TestCase
