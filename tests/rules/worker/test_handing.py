"""Big logs on their way out of a task: whole, in order, never more than a piece in memory."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate import Context
from taskgate.errors import Conflict, TooLarge
from taskgate.worker import handing
from taskgate.worker.handing import hand_over


class Shelf:
    """A gateway's side: keeps what it is given, answers like the endpoint."""

    def __init__(self, there: bytes = b"", limit: int = 1 << 40) -> None:
        self.content = there
        self.sent = 0
        self.longest = 0
        self.sealed = ""
        self._limit = limit

    def __call__(self, name: str, offset: int, *, content: bytes, sha256: str) -> int:
        self.sent += len(content)
        self.longest = max(self.longest, len(content))
        if offset + len(content) > self._limit:
            raise TooLarge("a log has at most so many bytes", code="LOG_TOO_LARGE")
        if offset > len(self.content):
            return len(self.content)
        assert self.content[offset : offset + len(content)] == content[: len(self.content) - offset]
        self.content = self.content[:offset] + content + self.content[offset + len(content) :]
        if sha256:
            assert sha256 == hashlib.sha256(self.content).hexdigest()
            assert offset == len(self.content)
            self.sealed = sha256
        return len(self.content)


@given(content=st.binary(max_size=4000), there=st.integers(0, 4000), size=st.integers(1, 700))
def test_what_is_there_is_not_sent_again_and_the_whole_is_sealed(content: bytes, there: int, size: int) -> None:
    shelf = Shelf(content[:there])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handing, "PIECE_BYTES", size)
        done = hand_over(io.BytesIO(content), "build.log", hand=shelf)
    assert (shelf.content, shelf.sealed) == (content, done.sha256)
    assert done.size_bytes == len(content)
    assert shelf.longest <= size
    assert shelf.sent <= max(len(content) - there, 0) + size


def test_a_path_text_and_an_open_file_from_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_text("één\ntwo\n", encoding="utf-8")
    with file.open("rb") as later:
        later.readline()
        sources: tuple[Any, ...] = (file, str(file), io.StringIO("één\ntwo\n"), later)
        kept = [Shelf() for _ in sources]
        for source, shelf in zip(sources, kept, strict=True):
            hand_over(source, "x", hand=shelf)
    assert [shelf.content for shelf in kept] == [file.read_bytes()] * 3 + [b"two\n"]


def test_the_limit_is_told_as_it_is() -> None:
    with pytest.raises(TooLarge) as refusal:
        hand_over(io.BytesIO(bytes(3 << 20)), "x", hand=Shelf(limit=1 << 20))
    assert refusal.value.code == "LOG_TOO_LARGE"


def test_a_gateway_that_forgot_a_part_is_told() -> None:
    """What was read can be read no more: better an error than a log with a hole."""

    def forgetful(name: str, offset: int, *, content: bytes, sha256: str) -> int:
        return 0

    with pytest.raises(Conflict) as refusal:
        hand_over(io.BytesIO(b"abc"), "x", hand=forgetful)
    assert refusal.value.code == "LOG_GAP"


def test_without_a_gateway_it_is_read_and_counted() -> None:
    done = Context().upload_log(io.BytesIO(b"abc"), name="x")
    assert (done.size_bytes, done.sha256) == (3, hashlib.sha256(b"abc").hexdigest())
