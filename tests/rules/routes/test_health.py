"""The worst that anybody tells of a service is how it does."""

from __future__ import annotations

import pytest

from taskgate.routes.health import Healths, worst
from taskgate.routes.ports import Health

FINE = Health()
SICK = Health(state="half_open", failures=2, last_error="it answered 500")
SHUT = Health(state="open")
OLD = Health(last_error="long ago")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((), FINE),
        ((FINE,), FINE),
        ((FINE, SICK), SICK),
        ((SICK, SHUT), Health(state="open", failures=2, last_error="it answered 500")),
        ((SICK, Health(failures=3, last_error="gone")), Health(state="half_open", failures=3, last_error="gone")),
        ((FINE, OLD), OLD),
    ],
)
def test_the_worst_word_counts_in_whatever_order(told: tuple[Health, ...], expected: Health) -> None:
    assert worst(told) == worst(told[::-1]) == expected


def test_who_knows_nothing_says_nothing() -> None:
    known = {"a": SICK}
    healths = Healths(lambda _: FINE)
    assert healths.health("a") == FINE
    healths.add(known.get)
    assert (healths.health("a"), healths.health("b")) == (SICK, FINE)
