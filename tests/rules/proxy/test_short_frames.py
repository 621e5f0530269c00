"""Frames read without a parser: the same as the library's, and its place in the bytes is always known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from taskgate.proxy.short_frames import SHORT_BYTES, Boundary, short_text, text_frame
from tests.security.frames import BINARY, CONT, PING, TEXT, frame

SIZES = st.one_of(st.integers(0, 200), st.sampled_from([125, 126, 127, SHORT_BYTES - 8, SHORT_BYTES, 65535, 65536]))
FRAMES = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, CONT]), SIZES, st.booleans()), min_size=1, max_size=6)


@given(SIZES)
def test_a_text_is_written_as_the_library_writes_it(size: int) -> None:
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)


@given(st.binary(max_size=SHORT_BYTES))
def test_a_short_text_is_read_whole_and_alone(body: bytes) -> None:
    chunk = Frame(Opcode.TEXT, body).serialize(mask=True)
    assert short_text(chunk) == (body if len(chunk) <= SHORT_BYTES else None)
    assert short_text(chunk[:-1]) is None
    assert short_text(chunk + b"\x81") is None


@given(st.sampled_from([0x01, 0x80, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0xA1, 0x91]), st.binary(max_size=200))
def test_every_other_frame_is_the_parsers(first: int, body: bytes) -> None:
    assert short_text(bytes((first,)) + frame(TEXT, body)[1:]) is None
    assert short_text(frame(TEXT, body, masked=False)) is None


def test_a_length_that_is_longer_written_than_needed_is_the_parsers() -> None:
    assert short_text(b"\x81\xfe\x00\x02" + bytes(4) + b"{}") is None


@given(FRAMES, st.data())
def test_the_boundary_is_known_however_the_bytes_are_cut(
    frames: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    stream, ends, is_parted = b"", {0: True}, False
    for opcode, size, fin in frames:
        stream += frame(opcode, bytes(size), fin=fin)
        is_parted = is_parted if opcode == PING else not fin
        ends[len(stream)] = not is_parted
    boundary, at = Boundary(), 0
    while at < len(stream):
        step = data.draw(st.one_of(st.integers(1, 12), st.integers(1, 70000)))
        boundary.passed(stream[at : at + step])
        at = min(len(stream), at + step)
        assert boundary.is_here == ends.get(at, False)
