from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerFrame(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[WorkerMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[WorkerMessage, _Mapping]]] = ...) -> None: ...

class GatewayFrame(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[GatewayMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[GatewayMessage, _Mapping]]] = ...) -> None: ...

class WorkerMessage(_message.Message):
    __slots__ = ("hello", "ready", "accept", "refuse", "heartbeat", "log", "progress", "task_result", "stopped", "credential", "bye", "drain")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TASK_RESULT_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    BYE_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ready: Ready
    accept: Accept
    refuse: Refuse
    heartbeat: Heartbeat
    log: Log
    progress: Progress
    task_result: TaskResult
    stopped: Stopped
    credential: Credential
    bye: Bye
    drain: Drain
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ready: _Optional[_Union[Ready, _Mapping]] = ..., accept: _Optional[_Union[Accept, _Mapping]] = ..., refuse: _Optional[_Union[Refuse, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., log: _Optional[_Union[Log, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., task_result: _Optional[_Union[TaskResult, _Mapping]] = ..., stopped: _Optional[_Union[Stopped, _Mapping]] = ..., credential: _Optional[_Union[Credential, _Mapping]] = ..., bye: _Optional[_Union[Bye, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ...) -> None: ...

class GatewayMessage(_message.Message):
    __slots__ = ("welcome", "task", "heartbeat_ack", "log_ack", "ack", "cancel", "config", "drain", "failure", "credential")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ACK_FIELD_NUMBER: _ClassVar[int]
    LOG_ACK_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    task: Task
    heartbeat_ack: HeartbeatAck
    log_ack: LogAck
    ack: Ack
    cancel: Cancel
    config: Config
    drain: Drain
    failure: Failure
    credential: Credential
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., task: _Optional[_Union[Task, _Mapping]] = ..., heartbeat_ack: _Optional[_Union[HeartbeatAck, _Mapping]] = ..., log_ack: _Optional[_Union[LogAck, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., config: _Optional[_Union[Config, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., credential: _Optional[_Union[Credential, _Mapping]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("run_id", "attempt", "lease_token", "left_s")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEFT_S_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    lease_token: str
    left_s: float
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ..., left_s: _Optional[float] = ...) -> None: ...

class TaskOffer(_message.Message):
    __slots__ = ("name", "version", "description", "input_schema", "output_schema", "examples", "timeout_s", "retries")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    description: str
    input_schema: bytes
    output_schema: bytes
    examples: _containers.RepeatedScalarFieldContainer[bytes]
    timeout_s: float
    retries: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., description: _Optional[str] = ..., input_schema: _Optional[bytes] = ..., output_schema: _Optional[bytes] = ..., examples: _Optional[_Iterable[bytes]] = ..., timeout_s: _Optional[float] = ..., retries: _Optional[int] = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("cpu", "memory", "running", "waiting")
    CPU_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    cpu: float
    memory: float
    running: int
    waiting: int
    def __init__(self, cpu: _Optional[float] = ..., memory: _Optional[float] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("seq", "text", "at", "level")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    seq: int
    text: str
    at: float
    level: str
    def __init__(self, seq: _Optional[int] = ..., text: _Optional[str] = ..., at: _Optional[float] = ..., level: _Optional[str] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("worker_id", "instance", "versions", "tasks", "capabilities", "labels", "slots", "metadata", "held", "draining")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    instance: str
    versions: _containers.RepeatedScalarFieldContainer[int]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskOffer]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    slots: int
    metadata: bytes
    held: _containers.RepeatedCompositeFieldContainer[Receipt]
    draining: bool
    def __init__(self, worker_id: _Optional[str] = ..., instance: _Optional[str] = ..., versions: _Optional[_Iterable[int]] = ..., tasks: _Optional[_Iterable[_Union[TaskOffer, _Mapping]]] = ..., capabilities: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., slots: _Optional[int] = ..., metadata: _Optional[bytes] = ..., held: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., draining: _Optional[bool] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("credit",)
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    credit: int
    def __init__(self, credit: _Optional[int] = ...) -> None: ...

class Accept(_message.Message):
    __slots__ = ("run_id", "attempt", "lease_token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    lease_token: str
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ...) -> None: ...

class Refuse(_message.Message):
    __slots__ = ("run_id", "attempt", "lease_token", "reason", "detail")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    lease_token: str
    reason: str
    detail: str
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("nonce", "held", "load", "worker_id")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    nonce: str
    held: _containers.RepeatedCompositeFieldContainer[Receipt]
    load: Load
    worker_id: str
    def __init__(self, nonce: _Optional[str] = ..., held: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., load: _Optional[_Union[Load, _Mapping]] = ..., worker_id: _Optional[str] = ...) -> None: ...

class Log(_message.Message):
    __slots__ = ("run_id", "attempt", "lease_token", "stream", "lines")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    lease_token: str
    stream: str
    lines: _containers.RepeatedCompositeFieldContainer[LogLine]
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ..., stream: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[LogLine, _Mapping]]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("run_id", "attempt", "lease_token", "seq", "fraction", "text", "at")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    lease_token: str
    seq: int
    fraction: float
    text: str
    at: float
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ..., seq: _Optional[int] = ..., fraction: _Optional[float] = ..., text: _Optional[str] = ..., at: _Optional[float] = ...) -> None: ...

class TaskResult(_message.Message):
    __slots__ = ("run_id", "tracking_id", "attempt", "lease_token", "status", "result", "error", "error_code", "error_class", "retryable", "retry_at", "log_count", "started_at", "ended_at", "worker_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TRACKING_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_CLASS_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AT_FIELD_NUMBER: _ClassVar[int]
    LOG_COUNT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    tracking_id: str
    attempt: int
    lease_token: str
    status: str
    result: bytes
    error: bytes
    error_code: str
    error_class: str
    retryable: bool
    retry_at: float
    log_count: int
    started_at: float
    ended_at: float
    worker_id: str
    def __init__(self, run_id: _Optional[str] = ..., tracking_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ..., status: _Optional[str] = ..., result: _Optional[bytes] = ..., error: _Optional[bytes] = ..., error_code: _Optional[str] = ..., error_class: _Optional[str] = ..., retryable: _Optional[bool] = ..., retry_at: _Optional[float] = ..., log_count: _Optional[int] = ..., started_at: _Optional[float] = ..., ended_at: _Optional[float] = ..., worker_id: _Optional[str] = ...) -> None: ...

class Stopped(_message.Message):
    __slots__ = ("run_id", "attempt", "lease_token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    lease_token: str
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ...) -> None: ...

class Credential(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class Bye(_message.Message):
    __slots__ = ("reason", "drained")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DRAINED_FIELD_NUMBER: _ClassVar[int]
    reason: str
    drained: bool
    def __init__(self, reason: _Optional[str] = ..., drained: _Optional[bool] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("worker_id", "version", "heartbeat_s", "dead_after_s", "lease_s", "offer_s", "max_frame_bytes", "max_output_bytes", "refused", "lost")
    class RefusedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    DEAD_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    OFFER_S_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    version: int
    heartbeat_s: float
    dead_after_s: float
    lease_s: float
    offer_s: float
    max_frame_bytes: int
    max_output_bytes: int
    refused: _containers.ScalarMap[str, str]
    lost: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, worker_id: _Optional[str] = ..., version: _Optional[int] = ..., heartbeat_s: _Optional[float] = ..., dead_after_s: _Optional[float] = ..., lease_s: _Optional[float] = ..., offer_s: _Optional[float] = ..., max_frame_bytes: _Optional[int] = ..., max_output_bytes: _Optional[int] = ..., refused: _Optional[_Mapping[str, str]] = ..., lost: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("run_id", "tracking_id", "attempt", "lease_token", "capability", "payload", "version", "timeout_s", "memory_bytes", "offer_s", "tries", "labels", "tenant", "traceparent", "priority")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TenantEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TRACKING_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    OFFER_S_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    tracking_id: str
    attempt: int
    lease_token: str
    capability: str
    payload: bytes
    version: str
    timeout_s: float
    memory_bytes: int
    offer_s: float
    tries: int
    labels: _containers.ScalarMap[str, str]
    tenant: _containers.ScalarMap[str, str]
    traceparent: str
    priority: int
    def __init__(self, run_id: _Optional[str] = ..., tracking_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_token: _Optional[str] = ..., capability: _Optional[str] = ..., payload: _Optional[bytes] = ..., version: _Optional[str] = ..., timeout_s: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., offer_s: _Optional[float] = ..., tries: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., tenant: _Optional[_Mapping[str, str]] = ..., traceparent: _Optional[str] = ..., priority: _Optional[int] = ...) -> None: ...

class HeartbeatAck(_message.Message):
    __slots__ = ("nonce", "renewed", "stop")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    RENEWED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    nonce: str
    renewed: _containers.RepeatedCompositeFieldContainer[Receipt]
    stop: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, nonce: _Optional[str] = ..., renewed: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., stop: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class LogAck(_message.Message):
    __slots__ = ("run_id", "attempt", "stream", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    stream: str
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., stream: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("run_id", "attempt", "verdict", "code")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    verdict: str
    code: str
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., verdict: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("run_id", "attempt", "reason")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attempt: int
    reason: str
    def __init__(self, run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Config(_message.Message):
    __slots__ = ("heartbeat_s", "dead_after_s")
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    DEAD_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    heartbeat_s: float
    dead_after_s: float
    def __init__(self, heartbeat_s: _Optional[float] = ..., dead_after_s: _Optional[float] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("reason", "reconnect", "delay_s")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_FIELD_NUMBER: _ClassVar[int]
    DELAY_S_FIELD_NUMBER: _ClassVar[int]
    reason: str
    reconnect: bool
    delay_s: float
    def __init__(self, reason: _Optional[str] = ..., reconnect: _Optional[bool] = ..., delay_s: _Optional[float] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "detail", "run_id")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    run_id: str
    def __init__(self, code: _Optional[str] = ..., detail: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class PollRequest(_message.Message):
    __slots__ = ("worker_id", "capabilities", "labels", "max_offers", "wait_s", "held")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MAX_OFFERS_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    max_offers: int
    wait_s: float
    held: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, worker_id: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., max_offers: _Optional[int] = ..., wait_s: _Optional[float] = ..., held: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class PollResponse(_message.Message):
    __slots__ = ("tasks", "renewed", "stop", "drain")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    RENEWED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    renewed: _containers.RepeatedCompositeFieldContainer[Receipt]
    stop: _containers.RepeatedCompositeFieldContainer[Receipt]
    drain: Drain
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ..., renewed: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., stop: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("worker_id", "heartbeat")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    heartbeat: Heartbeat
    def __init__(self, worker_id: _Optional[str] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class AppendLogsResponse(_message.Message):
    __slots__ = ("durable", "stop")
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    durable: _containers.RepeatedCompositeFieldContainer[LogAck]
    stop: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, durable: _Optional[_Iterable[_Union[LogAck, _Mapping]]] = ..., stop: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("worker_id", "result")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    result: TaskResult
    def __init__(self, worker_id: _Optional[str] = ..., result: _Optional[_Union[TaskResult, _Mapping]] = ...) -> None: ...

class PollControlRequest(_message.Message):
    __slots__ = ("worker_id", "wait_s")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    wait_s: float
    def __init__(self, worker_id: _Optional[str] = ..., wait_s: _Optional[float] = ...) -> None: ...

class PollControlResponse(_message.Message):
    __slots__ = ("receipt_id", "cancel", "config", "drain")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    cancel: Cancel
    config: Config
    drain: Drain
    def __init__(self, receipt_id: _Optional[str] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., config: _Optional[_Union[Config, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ...) -> None: ...

class AckControlRequest(_message.Message):
    __slots__ = ("worker_id", "receipt_id")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    receipt_id: str
    def __init__(self, worker_id: _Optional[str] = ..., receipt_id: _Optional[str] = ...) -> None: ...

class AckControlResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
