"""Bodies into shapes: strict, with every refusal naming the place.

Broken JSON is Malformed; well-formed JSON of the wrong shape is InvalidInput with a JSON pointer in `extra["path"]`.
Nothing is executed, fetched or stored on the way.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from taskgate.edge.http.problems import printable
from taskgate.errors import InvalidInput, Malformed

T = TypeVar("T")
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def decoded(body: bytes, shape: type[T]) -> T:
    """The body as `shape`. Malformed for what is not JSON in UTF-8, InvalidInput for anything the shape refuses."""
    try:
        if not body.isascii():
            body.decode("utf-8")  # raw members are carried unread: what is stored must be well-formed text
        decoder = _DECODERS.get(shape)
        if decoder is None:
            decoder = _DECODERS[shape] = msgspec.json.Decoder(shape)
        value: T = decoder.decode(body)
        return value
    except msgspec.ValidationError as error:
        detail, _, place = str(error).partition(" - at `")
        raise InvalidInput(printable(detail), extra={"path": _pointer(place)}) from None
    except msgspec.DecodeError as error:
        raise Malformed(printable(str(error)), code="BAD_JSON") from None
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8", code="BAD_JSON") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply", code="TOO_DEEP") from None


def _pointer(place: str) -> str:
    """`$.items[3].priority` as `/items/3/priority` (RFC 6901)."""
    steps = _STEP.findall(place.rstrip("`"))
    return "".join(f"/{(name or index).replace('~', '~0').replace('/', '~1')}" for name, index in steps)


def encoded(value: Any) -> bytes:
    """A shape as JSON."""
    return _ENCODER.encode(value)


_ENCODER = msgspec.json.Encoder()
