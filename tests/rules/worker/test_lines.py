"""Lines of a byte stream: nothing torn, nothing lost (INV-L3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.worker.lines import LINE_BYTES, LineSplitter

CHUNKS = st.lists(st.binary(max_size=40))


def split(chunks: list[bytes]) -> list[str]:
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()


@given(st.lists(st.text(max_size=20)), st.data())
def test_inv_l3_any_cut_gives_the_same_lines(lines: list[str], data: st.DataObject) -> None:
    source = "\n".join(lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(source)), max_size=8)))
    chunks = [source[start:end] for start, end in zip([0, *cuts], [*cuts, len(source)], strict=True)]
    expected = source.decode().split("\n")
    if expected[-1] == "":
        expected.pop()
    assert split(chunks) == expected


@given(CHUNKS)
def test_no_bytes_are_refused(chunks: list[bytes]) -> None:
    source = b"".join(chunks)
    lines = split(chunks)
    assert "\n".join(lines) == source.removesuffix(b"\n").decode("utf-8", "backslashreplace")


def test_invalid_bytes_are_shown() -> None:
    assert split([b"a\xff\xfeb\n", b"\xe2\x82"]) == [r"a\xff\xfeb", r"\xe2\x82"]


def test_inv_l3_a_long_line_is_cut_between_characters() -> None:
    line = "é€𝄞" * 30_000
    pieces = split([line.encode() + b"\nnext\n"])
    assert pieces[-1] == "next"
    assert "".join(pieces[:-1]) == line
    assert len(pieces) > 2
    assert all(0 < len(piece.encode()) <= LINE_BYTES for piece in pieces)


def test_a_line_without_an_end_costs_bounded_memory() -> None:
    splitter = LineSplitter()
    pieces = [piece for _ in range(100) for piece in splitter.feed(b"x" * 10_000)]
    assert sum(map(len, pieces)) >= 1_000_000 - LINE_BYTES
    assert "".join(pieces + splitter.flush()) == "x" * 1_000_000
    assert splitter.is_empty


def test_a_line_of_exactly_the_limit_is_one_line() -> None:
    assert split([b"x" * LINE_BYTES, b"\n", b"y\n"]) == ["x" * LINE_BYTES, "y"]


def test_shown_bytes_do_not_make_a_line_longer_than_the_limit() -> None:
    pieces = split([b"\xff" * LINE_BYTES + b"\n"])
    assert "".join(pieces) == r"\xff" * LINE_BYTES
    assert all(len(piece) <= LINE_BYTES for piece in pieces)
