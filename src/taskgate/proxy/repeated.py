"""A request whose headers are byte for byte those of the last one on its connection: only its first line is read.

Callers that keep a connection mostly send the same headers again. What was checked once needs no second look, as long
as nothing but a first line stands in front of it and nothing at all behind it: then another parser could not read it
in another way either. Everything that is not plainly so goes to the parser.
"""

from __future__ import annotations

import re
from typing import Final

from taskgate.proxy import places
from taskgate.proxy.places import Doubtful, remembered_path
from taskgate.proxy.ports import Head

LONGEST: Final = 4096
METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_LINE = re.compile(rb"([A-Z]{3,7}) (/[!\"$-~]*) HTTP/1\.1")
_END: Final = b"\r\n\r\n"


class Repeated:
    """The headers of a request that had no body. `block` is everything behind its first line."""

    __slots__ = ("_head", "block")

    def __init__(self, block: bytes, head: Head) -> None:
        self.block = block
        self._head = head
        head.memory = {}

    def read(self, data: bytes) -> Head | None:
        """The head of a segment that ends with `block`; None when the parser has to look."""
        found = _LINE.fullmatch(data, 0, len(data) - len(self.block))
        if found is None or len(data) > LONGEST:
            return None
        method, target = found.groups()
        raw_path, _, query = target.partition(b"?")
        if method not in METHODS or len(raw_path) > places.REMEMBERED_LENGTH:
            return None
        try:
            path = remembered_path(raw_path)
        except Doubtful:
            return None
        last = self._head
        return Head(
            method.decode("ascii"), target, path, query, "1.1", last.host, last.pairs, last.lines, 0, True,
            last.special, last.caller, last.scheme, "", False, last.memory,
        )  # fmt: skip


def remembered(data: bytes, head: Head) -> Repeated | None:
    """What to keep of a segment that the parser has read as exactly one head; None where it may not be kept."""
    if head.body_length != 0 or not head.keep_alive or head.upgrade or head.expects_continue or head.version != "1.1":
        return None
    if len(data) > LONGEST or data.find(_END) != len(data) - len(_END):
        return None
    line_end = data.find(b"\r\n")
    return Repeated(data[line_end:], head) if _LINE.fullmatch(data, 0, line_end) else None
