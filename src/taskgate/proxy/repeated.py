"""A request whose headers are byte for byte those of the last one on its connection: only its first line is read.

Callers that keep a connection mostly send the same headers again. What was checked once needs no second look, as long
as nothing but a first line stands in front of it and nothing behind it but the whole body whose length it names: then
another parser could not read it in another way either. Everything that is not plainly so goes to the parser.
"""

from __future__ import annotations

import re
from typing import Final

from taskgate.proxy import places
from taskgate.proxy.places import Doubtful, remembered_path
from taskgate.proxy.ports import Head

LONGEST: Final = 4096
LONGEST_BODY: Final = 16 << 10
BODILESS: Final = frozenset({b"GET", b"HEAD"})
METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_LINE = re.compile(rb"([A-Z]{3,7}) (/[!\"$-~]*) HTTP/1\.1")
_END: Final = b"\r\n\r\n"


class Repeated:
    """The headers of a request whose body, of `length` bytes, came along. `block` is what is between both: all headers
    with the line ends around them; `tail` is how much of a segment is not its first line."""

    __slots__ = ("_head", "block", "length", "tail")

    def __init__(self, block: bytes, head: Head) -> None:
        self.block = block
        self.length = head.body_length or 0
        self.tail = len(block) + self.length
        self._head = head
        head.memory = {}

    def read(self, data: bytes) -> Head | None:
        """The head of a segment that has `block` in its place; None when the parser has to look."""
        found = _LINE.fullmatch(data, 0, len(data) - self.tail)
        if found is None or len(data) - self.length > LONGEST:
            return None
        method, target = found.groups()
        raw_path, _, query = target.partition(b"?")
        if method not in METHODS or (self.length and method in BODILESS) or len(raw_path) > places.REMEMBERED_LENGTH:
            return None
        try:
            path = remembered_path(raw_path)
        except Doubtful:
            return None
        last = self._head
        return Head(
            method.decode("ascii"), target, path, query, "1.1", last.host, last.pairs, last.lines, self.length, True,
            last.special, last.caller, last.scheme, "", False, last.memory,
        )  # fmt: skip


def remembered(data: bytes, head: Head) -> Repeated | None:
    """What to keep of a segment that the parser has read as exactly one head; None where it may not be kept."""
    length = head.body_length
    if length is None or not head.keep_alive or head.upgrade or head.expects_continue or head.version != "1.1":
        return None
    end = data.find(_END) + len(_END)
    if length > LONGEST_BODY or end > LONGEST or end + length != len(data):
        return None
    line_end = data.find(b"\r\n")
    return Repeated(data[line_end:end], head) if _LINE.fullmatch(data, 0, line_end) else None
