"""The messages of the worker link, as values.

One class per message; `type` is its tag in JSON. Several messages travel in one frame (a JSON array, a
protobuf envelope). Payloads (`payload`, `result`) are raw JSON bytes that the gateway never parses on the way.
Every message that writes about a run carries its receipt: (run_id, attempt, lease_token).
`tracking_id` is the run id under the name that simple clients know.
Unknown fields are ignored (a newer peer may send more); an unknown `type` is a protocol error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec

PROTOCOL_VERSION = 1
EMPTY = msgspec.Raw(b"null")
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # what every peer and every store can hold

# msgspec reads `Raw | None` as `None` alone: a field that may be absent is declared as Raw, with the default None
if TYPE_CHECKING:
    OptionalRaw: TypeAlias = msgspec.Raw | None
else:
    OptionalRaw = msgspec.Raw


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False):
    """Parent of every message."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Proof of holding a run: `attempt` is its fence, `lease_token` the secret of this very lease.

    `left_s` only in `heartbeat_ack.renewed`: seconds that the committed lease still has when the gateway
    writes the answer. Absent there means: extended for the whole `lease_s` after this heartbeat arrived.
    """

    run_id: str
    attempt: Count
    lease_token: str
    left_s: float | None = None


class TaskOffer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker says it can do; schemas are JSON Schema objects."""

    name: str
    version: str = ""
    description: str = ""
    input_schema: OptionalRaw = None
    output_schema: OptionalRaw = None
    examples: list[Any] = []
    timeout_s: float | None = None
    retries: Count | None = None

    def __post_init__(self) -> None:
        """A schema of `null` is none."""
        for name in ("input_schema", "output_schema"):
            schema = getattr(self, name)
            if schema is not None and bytes(schema) == b"null":
                msgspec.structs.force_setattr(self, name, None)


class Load(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How busy the worker's machine is: fractions of 0..1, counts of runs."""

    cpu: float = 0.0
    memory: float = 0.0
    running: Count = 0
    waiting: Count = 0


# ---------------------------------------------------------------- worker → gateway


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """First message of a worker. Empty `versions` means a simple client (INTERFACES section 3)."""

    worker_id: str
    instance: str = ""
    versions: list[Count] = []
    tasks: list[TaskOffer] = []
    capabilities: list[str] = []
    labels: dict[str, str] = {}
    slots: Count = 1
    metadata: dict[str, Any] = {}
    held: list[Receipt] = []
    draining: bool = False


class Ready(Message, frozen=True, kw_only=True, tag="ready"):
    """`credit` is the total number of offers that may have been sent since hello; it never shrinks."""

    credit: Count


class Accept(Message, frozen=True, kw_only=True, tag="accept"):
    """The run has really started; this is the first renewal of its lease and counts as a try."""

    run_id: str
    attempt: Count
    lease_token: str


class Refuse(Message, frozen=True, kw_only=True, tag="refuse"):
    """The worker does not take the offer: `busy` (not counted), `unknown_task`, `draining`, `schema`."""

    run_id: str
    attempt: Count
    lease_token: str
    reason: str = "busy"
    detail: str = ""


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """Proof of life; `held` are the leases that the worker wants renewed. A simple client may repeat its id."""

    nonce: str = ""
    held: list[Receipt] = []
    load: Load | None = None
    worker_id: str = ""


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One entry of a stream; `seq` counts from 1 per (run, attempt, stream) and only drops repeats."""

    seq: Count
    text: str
    at: float = 0.0
    level: str = "info"


class Log(Message, frozen=True, kw_only=True, tag="log"):
    """Log entries of one stream (`stdout`, `stderr`, `log`) of one attempt, in order."""

    run_id: str
    attempt: Count
    lease_token: str
    stream: str = "log"
    lines: list[LogLine] = []


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """`fraction` of 0..1 done, with a word about it; `seq` counts from 1 per attempt."""

    run_id: str
    attempt: Count
    lease_token: str
    seq: Count
    fraction: float
    text: str = ""
    at: float = 0.0


class TaskResult(Message, frozen=True, kw_only=True, tag="task_result"):
    """The end of an attempt, kept by the worker until acknowledged.

    Simple clients name the run by `tracking_id` alone; then the gateway finds the receipt itself.
    `error_class`: `task` (the task raised), `timeout`, `memory`, `crash`, `lost`, `cancelled`, `invalid`.
    """

    run_id: str = ""
    tracking_id: str = ""
    attempt: Count = 0
    lease_token: str = ""
    status: Literal["ok", "error"] = "ok"
    result: msgspec.Raw = EMPTY
    error: Any = None
    error_code: str = ""
    error_class: str = ""
    retryable: bool | None = None
    retry_at: float | None = None
    log_count: Count = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    worker_id: str = ""


class Stopped(Message, frozen=True, kw_only=True, tag="stopped"):
    """A cancelled or lost run has left the worker: nothing of it runs any more."""

    run_id: str
    attempt: Count
    lease_token: str


class Credential(Message, frozen=True, kw_only=True, tag="credential"):
    """A fresh token, sent before the old one expires. Empty from a worker: renew the one it came with."""

    token: str


class Bye(Message, frozen=True, kw_only=True, tag="bye"):
    """The worker leaves for good: its leases end at once. `drained` says that none were left."""

    reason: str = ""
    drained: bool = False


# ---------------------------------------------------------------- gateway → worker


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """Answer to hello. `refused` names tasks that this worker may not offer, each with its reason code."""

    worker_id: str
    version: int = PROTOCOL_VERSION
    heartbeat_s: float = 10.0
    dead_after_s: float = 30.0
    lease_s: float = 30.0
    offer_s: float = 5.0
    max_frame_bytes: Count = 1 << 20
    max_output_bytes: Count = 768 << 10
    refused: dict[str, str] = {}
    lost: list[Receipt] = []


class Task(Message, frozen=True, kw_only=True, tag="task"):
    """One offer: a lease of `offer_s` that `accept` renews. `payload` is the run's input.

    A larger `priority` is sooner.
    """

    run_id: str
    tracking_id: str
    attempt: Count
    lease_token: str
    capability: str
    payload: msgspec.Raw
    version: str = ""
    timeout_s: float | None = None
    memory_bytes: Count | None = None
    offer_s: float = 5.0
    tries: Count = 0
    labels: dict[str, str] = {}
    tenant: dict[str, str] = {}
    traceparent: str = ""
    priority: int = 0


class HeartbeatAck(Message, frozen=True, kw_only=True, tag="heartbeat_ack"):
    """Echo of the nonce: at once, and again with `renewed` (after their commit) and `stop` (lost or cancelled)."""

    nonce: str = ""
    renewed: list[Receipt] = []
    stop: list[Receipt] = []


class LogAck(Message, frozen=True, kw_only=True, tag="log_ack"):
    """Entries of (run, attempt, stream) up to and including `seq` are durable; stream `progress` for progress."""

    run_id: str
    attempt: Count
    stream: str
    seq: Count


class Ack(Message, frozen=True, kw_only=True, tag="ack"):
    """The result is settled: `applied`, `replayed` (sent before) or `stale` (never counted). Forget it."""

    run_id: str
    attempt: Count
    verdict: str = "applied"
    code: str = ""


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    """Stop this attempt and answer `stopped`. `reason`: `cancelled`, `lost`, `timeout`."""

    run_id: str
    attempt: Count
    reason: str = "cancelled"


class Config(Message, frozen=True, kw_only=True, tag="config"):
    """New intervals for the living link."""

    heartbeat_s: float = 10.0
    dead_after_s: float = 30.0


class Drain(Message, frozen=True, kw_only=True, tag="drain"):
    """From the gateway: take nothing new, finish what runs; `reconnect` asks to come back (a restarting gateway).

    From the worker: it takes nothing new until it leaves; offers already under way come back refused.
    """

    reason: str = ""
    reconnect: bool = False
    delay_s: float = 0.0


class Failure(Message, frozen=True, kw_only=True, tag="error"):
    """Something the other side said was refused; the link closes if it broke the protocol."""

    code: str
    detail: str = ""
    run_id: str = ""


WorkerMessage = (
    Hello | Ready | Accept | Refuse | Heartbeat | Log | Progress | TaskResult | Stopped | Credential | Bye | Drain
)
GatewayMessage = Welcome | Task | HeartbeatAck | LogAck | Ack | Cancel | Config | Drain | Failure | Credential
