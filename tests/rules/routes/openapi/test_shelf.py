"""Pieces are made once; a broken document keeps its last good one and says so."""

from __future__ import annotations

import msgspec

from taskgate.routes.openapi.merging import merge
from taskgate.routes.openapi.shelf import PieceShelf
from taskgate.routes.service import Route
from tests.golden.openapi.documents import OWN
from tests.rules.routes.openapi.writing import document, service

GOOD = service(document({"/a": {"get": {"operationId": "a", "summary": "told"}}}))


def test_a_piece_is_made_once() -> None:
    shelf = PieceShelf()
    assert not shelf.is_ready([GOOD])
    (first,) = shelf.pieces_of([GOOD])
    assert shelf.is_ready([GOOD])
    (again,) = shelf.pieces_of([msgspec.structs.replace(GOOD, registered_at=9.0)])
    assert again is first
    shelf.pieces_of([])
    assert not shelf.is_ready([GOOD])


def test_a_broken_document_keeps_its_last_good_one() -> None:
    shelf = PieceShelf()
    shelf.pieces_of([GOOD])
    fresh = Route(name="b", method="GET", path="/shop/b", upstream_path="/b")
    broken = msgspec.structs.replace(GOOD, document=b"{", routes=(*GOOD.routes, fresh))
    (piece,) = shelf.pieces_of([broken])
    assert {one.path for one in piece.operations} == {"/shop/a", "/shop/b"}
    merged = merge(OWN, [piece])
    (tag,) = merged["tags"]
    assert tag["x-stale"] is True
    assert "cannot be read" in tag["description"]
    assert merged["paths"]["/shop/a"]["get"]["summary"] == "told"
    (mended,) = shelf.pieces_of([GOOD])
    assert mended.stale == ""


def test_a_document_that_never_was_good() -> None:
    (piece,) = PieceShelf().pieces_of([msgspec.structs.replace(GOOD, document=b"{")])
    assert [one.path for one in piece.operations] == ["/shop/a"]
    assert piece.stale


def test_who_is_away_is_stale_for_that_time() -> None:
    shelf = PieceShelf()
    assert shelf.pieces_of([GOOD], stale={"shop": "away"})[0].stale == "away"
    assert shelf.pieces_of([GOOD])[0].stale == ""
