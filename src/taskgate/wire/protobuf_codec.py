"""Messages as protobuf: the only file that imports the generated classes.

The functions have the shape of gRPC (de)serialisers: bytes on one side, messages on the other. Fields carry the
same names on both sides; those that protobuf spells otherwise (JSON as bytes, explicit presence, nested parts)
have a rule of their own in `_RULES`. Bad bytes raise RemoteLinkError, also JSON that is none: it is checked here,
because it is stored and handed on as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Proto

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from taskgate.wire.frames import MAX_MESSAGES, split, too_many

P = TypeVar("P", bound=Proto)
S = TypeVar("S", bound=msgspec.Struct)


class _Rule(msgspec.Struct, frozen=True):
    """How one field crosses over. `optional`: absent on the wire when it is None."""

    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    optional: bool = False


class _Plan(msgspec.Struct, frozen=True):
    """How one class crosses over: its twin, and (name, default, rule) of each field."""

    twin: type[Proto]
    struct: type[msgspec.Struct]
    fields: tuple[tuple[str, Any, _Rule], ...]


_raw = msgspec.json.Decoder(msgspec.Raw)
_any = msgspec.json.Decoder()


def _read_raw(value: bytes) -> msgspec.Raw:
    if not value.isascii():
        value.decode()
    return _raw.decode(value) if value else m.EMPTY


def _read_any(value: bytes) -> Any:
    return _any.decode(value) if value else None


def _read_object(value: bytes) -> dict[str, Any]:
    return msgspec.json.decode(value, type=dict[str, Any]) if value else {}


def _read_status(value: str) -> str:
    if value not in ("", "ok", "error"):
        raise msgspec.ValidationError(f"Invalid value {value[:40]!r} - at `status`")
    return value or "ok"


def _parts(struct: type[msgspec.Struct]) -> _Rule:
    """A repeated message."""
    return _Rule(lambda parts: [to_proto(part) for part in parts], lambda parts: [of_proto(p, struct) for p in parts])


def _part(struct: type[msgspec.Struct]) -> _Rule:
    """A message that may be absent."""
    return _Rule(lambda part: to_proto(part), lambda part: of_proto(part, struct), optional=True)  # noqa: PLW0108


_PLAIN = _Rule()
_OPTIONAL = _Rule(optional=True)
_LIST = _Rule(read=list)
_MAP = _Rule(read=dict)
_RAW = _Rule(bytes, _read_raw)
_RAW_OPTIONAL = _Rule(bytes, _read_raw, optional=True)
_EXAMPLES = _Rule(
    lambda values: [msgspec.json.encode(value) for value in values], lambda v: [_any.decode(x) for x in v]
)

_RULES: dict[tuple[type[msgspec.Struct], str], _Rule] = {
    (m.Receipt, "left_s"): _OPTIONAL,
    (m.TaskOffer, "input_schema"): _RAW_OPTIONAL,
    (m.TaskOffer, "output_schema"): _RAW_OPTIONAL,
    (m.TaskOffer, "examples"): _EXAMPLES,
    (m.TaskOffer, "timeout_s"): _OPTIONAL,
    (m.TaskOffer, "retries"): _OPTIONAL,
    (m.Hello, "versions"): _LIST,
    (m.Hello, "tasks"): _parts(m.TaskOffer),
    (m.Hello, "capabilities"): _LIST,
    (m.Hello, "labels"): _MAP,
    (m.Hello, "slots"): _OPTIONAL,
    (m.Hello, "metadata"): _Rule(msgspec.json.encode, _read_object),
    (m.Hello, "held"): _parts(m.Receipt),
    (m.Heartbeat, "held"): _parts(m.Receipt),
    (m.Heartbeat, "load"): _part(m.Load),
    (m.LogLine, "level"): _Rule(read=lambda level: level or "info"),
    (m.Log, "stream"): _Rule(read=lambda stream: stream or "log"),
    (m.Log, "lines"): _parts(m.LogLine),
    (m.Refuse, "reason"): _Rule(read=lambda reason: reason or "busy"),
    (m.TaskResult, "status"): _Rule(read=_read_status),
    (m.TaskResult, "result"): _RAW,
    (m.TaskResult, "error"): _Rule(msgspec.json.encode, _read_any),
    (m.TaskResult, "retryable"): _OPTIONAL,
    (m.TaskResult, "retry_at"): _OPTIONAL,
    (m.Welcome, "refused"): _MAP,
    (m.Welcome, "lost"): _parts(m.Receipt),
    (m.Task, "payload"): _RAW,
    (m.Task, "timeout_s"): _OPTIONAL,
    (m.Task, "memory_bytes"): _OPTIONAL,
    (m.Task, "labels"): _MAP,
    (m.Task, "tenant"): _MAP,
    (m.HeartbeatAck, "renewed"): _parts(m.Receipt),
    (m.HeartbeatAck, "stop"): _parts(m.Receipt),
    (m.Ack, "verdict"): _Rule(read=lambda verdict: verdict or "applied"),
    (m.Cancel, "reason"): _Rule(read=lambda reason: reason or "cancelled"),
}


def _plan(struct: type[msgspec.Struct], twin: type[Proto]) -> _Plan:
    """The fields of both sides, which must have the same names."""
    fields = msgspec.structs.fields(struct)
    if {field.name for field in fields} != set(twin.DESCRIPTOR.fields_by_name):
        raise LocalLinkError(f"{struct.__name__} and its protobuf twin have different fields")
    return _Plan(twin, struct, tuple((f.name, f.default, _RULES.get((struct, f.name), _PLAIN)) for f in fields))


_PARTS: tuple[type[msgspec.Struct], ...] = (m.Receipt, m.TaskOffer, m.Load, m.LogLine)
_KINDS: dict[str, type[m.Message]] = {
    "hello": m.Hello, "ready": m.Ready, "accept": m.Accept, "refuse": m.Refuse, "heartbeat": m.Heartbeat, "log": m.Log,
    "progress": m.Progress, "task_result": m.TaskResult, "stopped": m.Stopped, "credential": m.Credential,
    "bye": m.Bye, "drain": m.Drain, "welcome": m.Welcome, "task": m.Task, "heartbeat_ack": m.HeartbeatAck,
    "log_ack": m.LogAck, "ack": m.Ack, "cancel": m.Cancel, "config": m.Config, "failure": m.Failure,
}  # fmt: skip
_NAMES: dict[type, str] = {struct: name for name, struct in _KINDS.items()}
_PLANS: dict[type, _Plan] = {
    struct: _plan(struct, getattr(pb, struct.__name__)) for struct in (*_PARTS, *_KINDS.values())
}


def to_proto(message: msgspec.Struct) -> Any:
    """The protobuf twin of a message or part."""
    plan = _PLANS[type(message)]
    values = {}
    for name, _, rule in plan.fields:
        value = getattr(message, name)
        if value or (value is not None and rule is not _PLAIN):
            values[name] = value if rule.write is None else rule.write(value)
    try:
        return plan.twin(**values)
    except (ValueError, TypeError) as error:
        raise LocalLinkError(f"{type(message).__name__}: {error}") from error


def of_proto(twin: Any, struct: type[S]) -> S:
    """The message or part that a protobuf object stands for."""
    values = {}
    for name, default, rule in _PLANS[struct].fields:
        if rule.optional and not twin.HasField(name):
            if default is not None:
                values[name] = default
            continue
        value = getattr(twin, name)
        values[name] = value if rule.read is None else rule.read(value)
    return struct(**values)


def decode(raw: bytes, twin: type[P]) -> P:
    """Bytes of a call's own message. RemoteLinkError when they are none."""
    try:
        return twin.FromString(raw)
    except (DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteLinkError(f"{twin.__name__}: not a protobuf message", code="MALFORMED") from error


def read(twin: Any, struct: type[S]) -> S:
    """`of_proto` for what came from outside: RemoteLinkError names the field that is wrong."""
    try:
        return of_proto(twin, struct)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise RemoteLinkError(f"{struct.__name__}: {detail}", code="MALFORMED") from None


def decode_worker_frame(frame: bytes) -> list[m.WorkerMessage]:
    """What a worker said."""
    return _decode_frame(decode(frame, pb.WorkerFrame))


def decode_gateway_frame(frame: bytes) -> list[m.GatewayMessage]:
    """What a gateway said."""
    return _decode_frame(decode(frame, pb.GatewayFrame))


def encode_worker_frames(messages: Sequence[m.WorkerMessage], *, max_bytes: int = 1 << 20) -> list[bytes]:
    """Everything that a worker says now, in frames of at most `max_bytes`."""
    return split(messages, lambda some: _encode_frame(some, pb.WorkerFrame, pb.WorkerMessage), max_bytes=max_bytes)


def encode_gateway_frames(messages: Sequence[m.GatewayMessage], *, max_bytes: int = 1 << 20) -> list[bytes]:
    """Everything that a gateway says now, in frames of at most `max_bytes`."""
    return split(messages, lambda some: _encode_frame(some, pb.GatewayFrame, pb.GatewayMessage), max_bytes=max_bytes)


def _decode_frame(frame: Any) -> list[Any]:
    if len(frame.messages) > MAX_MESSAGES:
        raise too_many(len(frame.messages))
    return [_decode_message(message) for message in frame.messages]


def _decode_message(envelope: Any) -> msgspec.Struct:
    name = envelope.WhichOneof("kind")
    if name is None:
        raise RemoteLinkError("a message of a kind that is not known here", code="MALFORMED")
    return read(getattr(envelope, name), _KINDS[name])


def _encode_frame(messages: Sequence[m.Message], frame: Any, envelope: Any) -> bytes:
    told = [envelope(**{_NAMES[type(message)]: to_proto(message)}) for message in messages]
    return bytes(frame(messages=told).SerializeToString())
