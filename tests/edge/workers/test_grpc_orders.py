"""Orders for a worker that asks for them: oldest first, once each, bounded, settled by their own receipts alone."""

from __future__ import annotations

import pytest

from taskgate.edge.grpc.orders import MOST_WAITING, REMEMBERED, Orders
from taskgate.errors import Forbidden
from taskgate.wire.messages import Cancel, Drain


def cancel(number: int, reason: str = "asked") -> Cancel:
    return Cancel(run_id=f"r{number}", attempt=1, reason=reason)


def handed_out(orders: Orders) -> list[str]:
    """The runs of all cancels that wait, in the order in which they are given."""
    found: list[str] = []
    while (first := orders.first()) is not None:
        receipt_id, order = first
        assert isinstance(order, Cancel)
        found.append(order.run_id)
        orders.acknowledge(receipt_id)
    return found


def test_the_oldest_comes_first_and_again_until_it_is_acknowledged() -> None:
    orders = Orders()
    for number in range(3):
        orders.put(cancel(number))
    first = orders.first()
    assert first is not None
    assert (first[1], orders.first(), len(orders)) == (cancel(0), first, 3)
    assert handed_out(orders) == ["r0", "r1", "r2"]


def test_what_waits_already_is_not_added_again() -> None:
    orders = Orders()
    for order in (cancel(1), Drain(reason="x"), cancel(1), Drain(reason="x"), cancel(1, "timeout")):
        orders.put(order)
    assert len(orders) == 3


def test_beyond_the_bound_the_oldest_is_dropped() -> None:
    orders = Orders()
    orders._waiting.update({str(number): cancel(number) for number in range(MOST_WAITING - 1)})
    for number in (MOST_WAITING, MOST_WAITING + 1):
        orders.put(cancel(number))
    assert len(orders) == MOST_WAITING
    runs = handed_out(orders)
    assert (runs[0], runs[-1]) == ("r1", f"r{MOST_WAITING + 1}")


def test_a_receipt_cannot_be_guessed_and_is_good_here_alone() -> None:
    one, other = Orders(), Orders()
    receipts = []
    for orders in (one, other):
        orders.put(cancel(1))
        first = orders.first()
        assert first is not None
        receipts.append(first[0])
    assert len(set(receipts)) == 2
    assert min(len(receipt_id) for receipt_id in receipts) >= 20
    for foreign in (receipts[1], "", "1", "0"):
        with pytest.raises(Forbidden) as refused:
            one.acknowledge(foreign)
        assert refused.value.code == "FOREIGN_RECEIPT"
    assert len(one) == 1


def test_acknowledging_again_is_safe_for_as_many_as_are_remembered() -> None:
    orders = Orders()
    receipts = []
    for number in range(REMEMBERED + 1):
        orders.put(cancel(number))
        first = orders.first()
        assert first is not None
        receipts.append(first[0])
        orders.acknowledge(first[0])
    for receipt_id in receipts[1:]:
        orders.acknowledge(receipt_id)
    with pytest.raises(Forbidden):
        orders.acknowledge(receipts[0])
    assert len(orders) == 0
