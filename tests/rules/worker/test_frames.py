"""Frames survive any cut; an absurd length is an error, not memory."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import RemoteLinkError
from taskgate.worker.frames import Cancel, Drop, FrameReader, Progressed, Said, ToTask, pack

decode = msgspec.msgpack.Decoder(Cancel | Drop | Said | Progressed).decode
FRAMES = st.lists(
    st.one_of(
        st.builds(Cancel, st.integers(0, 9)),
        st.builds(Progressed, st.just(1), st.floats(0, 1), st.text(), st.just(0.0)),
        st.builds(Said, st.just(1), st.integers(0, 2), st.just("info"), st.just(0.0), st.lists(st.text())),
    )
)


@given(FRAMES, st.data())
def test_any_cut_gives_the_same_frames(frames: list[Cancel | Said | Progressed], data: st.DataObject) -> None:
    stream = b"".join(map(pack, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = FrameReader()
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [decode(body) for chunk in chunks for body in reader.feed(chunk)] == frames


def test_an_absurd_length_is_refused() -> None:
    with pytest.raises(RemoteLinkError, match="a frame of 4294967295 bytes"):
        list(FrameReader().feed(b"\xff\xff\xff\xff"))


def test_frames_of_the_other_direction_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(pack(Said(1, 0, "info", 0.0, []))[4:], type=ToTask)
