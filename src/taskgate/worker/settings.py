"""What a worker is told: where its gateway is, what it can do, how its task processes are kept in bounds.

Read once by the command line and passed on as values. Sources, the later one wins: a worker file (JSON), the
environment (TASKGATE_URL, TASKGATE_API_KEY, EXTRA_TASK_MODULES, WORKER_CA_CERT …), flags. Unknown names are refused.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from taskgate.errors import InvalidInput
from taskgate.ids import is_worker_id
from taskgate.secret import Secret

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=1024)]

_OLDER_NAMES = {"worker_id": "name", "active_tasks": "tasks", "max_concurrent_tasks": "slots"}
_LATER = frozenset({"mongodb", "minio", "task_cache_dir", "auto_update"})
_ENVIRONMENT = {
    "TASKGATE_URL": "gateway", "TASKGATE_API_KEY": "token", "EXTRA_TASK_MODULES": "tasks",
    "WORKER_CA_CERT": "ca_file", "WORKER_CERT": "cert_file", "WORKER_KEY": "key_file",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Everything a worker is told.

    gateway: address of the gateway. Default http://127.0.0.1:30090. https:// is verified, there is no way round it.
    token: API key with the scope `worker`. Default none. It never reaches a task process.
    transport: `websocket` or `grpc` (needs the extra `grpc`). Default websocket.
    grpc_target: HOST:PORT of the gateway's gRPC door. Default empty: the gateway's host and port 50051.
    ca_file: certificates (PEM) to trust instead of the system's. Default empty.
    cert_file: this worker's own certificate (PEM), for a gateway that asks for one. Default empty. Files are read at
        each connection, so a renewed one is shown from the next on.
    key_file: its private key (PEM). Default empty: the key stands in the file of the certificate.
    name: the worker's id, the same at every start. Default empty: made once and kept in the state folder.
    title: what people call this worker. Default empty.
    tasks: modules with tasks, or module:function. At least one.
    labels: what this worker has, for tasks that require it (gpu=yes). Default none.
    slots: how many runs at a time, each in a task process of its own. Default: the number of processors.
    state_dir: folder for results that wait for the gateway. Default empty: one below .taskgate in the present folder.
    python_path: folders to find task modules in, before all others. Default none; the present folder is always in it.
    pass_env: environment variables that task processes get beside PATH, LANG, HOME, TMPDIR and the like. Default none.
    run_as: user that task processes run as; only a worker started by root can change it. Default empty: the same user.
    memory_bytes: memory of a run whose task names no limit. Default none: no limit.
    max_processes: processes and threads that a task process may have below it. Default 512.
    max_open_files: open files of a task process. Default none: the system's limit.
    max_log_bytes: log text kept of one run; what is over it is dropped and counted. Default 16777216 (16 MiB).
    nice: how far task processes stand back for the connection when all processors are busy, 0..19. Default 5.
    timeout_s: limit of one try when neither the task nor the gateway names one. Default none: no limit.
    cancel_grace_s: how long a cancelled run may tidy up before it is sent SIGTERM. Default 3.
    term_grace_s: how long a run may live after SIGTERM before it is killed. Default 3.
    log_level: debug, info, warning or error: what the worker writes to stderr about itself. Default info.
    log_format: text or json. Default text.
    otlp_endpoint: URL of an OpenTelemetry collector (OTLP over HTTP) for this worker's spans `worker.execute`; needs
        the extra `telemetry`. Default empty: what OTEL_EXPORTER_OTLP_ENDPOINT says, and none where that is empty.
    drain_s: how long running work may take after the worker was asked to stop. Default none: as long as it takes.
    """

    gateway: str = "http://127.0.0.1:30090"
    token: Secret = field(default_factory=Secret)
    transport: Literal["websocket", "grpc"] = "websocket"
    grpc_target: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    name: str = ""
    title: str = ""
    tasks: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    slots: Count = field(default_factory=lambda: os.cpu_count() or 1)
    state_dir: str = ""
    python_path: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    run_as: str = ""
    memory_bytes: Bytes | None = None
    max_processes: Count = 512
    max_open_files: Count | None = None
    max_log_bytes: Bytes = 16 << 20
    nice: Annotated[int, Meta(ge=0, le=19)] = 5
    timeout_s: Seconds | None = None
    cancel_grace_s: Seconds = 3.0
    term_grace_s: Seconds = 3.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str = ""
    drain_s: Seconds | None = None

    @property
    def websocket_url(self) -> str:
        """Where workers connect, without the worker's id."""
        address = urlsplit(self.gateway)
        scheme = "wss" if address.scheme in ("https", "wss") else "ws"
        return f"{scheme}://{address.netloc}{address.path.rstrip('/')}/ws/workers/"

    @property
    def http_url(self) -> str:
        """The gateway's HTTP door."""
        address = urlsplit(self.gateway)
        scheme = "https" if self.is_tls else "http"
        return f"{scheme}://{address.netloc}{address.path.rstrip('/')}"

    @property
    def grpc_address(self) -> str:
        """HOST:PORT of the gRPC door."""
        host = urlsplit(self.gateway).hostname or "127.0.0.1"
        return self.grpc_target or f"{f'[{host}]' if ':' in host else host}:50051"

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.gateway).scheme in ("https", "wss")


def read_settings(
    flags: Mapping[str, Any] | None = None,
    file: str | Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
) -> WorkerSettings:
    """The settings from all sources; flags that are None are not given. InvalidInput: SETTINGS_INVALID."""
    env = os.environ if env is None else env
    values: dict[str, Any] = _from_file(Path(file)) if file else {}
    for variable, name in _ENVIRONMENT.items():
        if env.get(variable) and (variable != "EXTRA_TASK_MODULES" or name not in values):
            values[name] = env[variable]
    values.update({name: value for name, value in (flags or {}).items() if value is not None})
    return settings_from(values, source=str(file) if file else "the worker's settings")


def settings_from(values: Mapping[str, Any], *, source: str = "the worker's settings") -> WorkerSettings:
    """Settings from names and plain values, all rules applied."""
    known = {item.name for item in dataclasses.fields(WorkerSettings)}
    for name in values.keys() - known:
        near = difflib.get_close_matches(name, known, n=1)
        raise _refused(f"{source}: there is no setting {name!r}{f'; did you mean {near[0]!r}?' if near else ''}", name)
    plain = dict(values)
    for name in ("tasks", "python_path", "pass_env"):
        if isinstance(plain.get(name), str):
            plain[name] = [part.strip() for part in plain[name].split(",") if part.strip()]
    try:
        settings = msgspec.convert(plain, WorkerSettings, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise _refused(f"{source}: {error}", "") from error
    _check(settings, source)
    return settings


def _check(settings: WorkerSettings, source: str) -> None:
    address = urlsplit(settings.gateway)
    if address.scheme not in ("http", "https", "ws", "wss") or not address.hostname:
        raise _refused(
            f"{source}: gateway is an address like https://gate.example, not {settings.gateway!r}", "gateway"
        )
    if settings.key_file and not settings.cert_file:
        raise _refused(f"{source}: key_file is named and cert_file is not", "cert_file")
    if settings.cert_file and not settings.is_tls:
        raise _refused(
            f"{source}: a certificate is shown over TLS alone: the gateway's address is https://…", "gateway"
        )
    if settings.name and not is_worker_id(settings.name):
        raise _refused(f"{source}: name is 1 to 128 of A-Z a-z 0-9 _ . : @ -, not {settings.name!r}", "name")
    if not settings.tasks:
        raise _refused(f"{source}: name at least one module with tasks (--tasks shop.tasks)", "tasks")
    if any(not character.isprintable() or character == " " for character in settings.token):
        raise _refused(f"{source}: the token holds characters that a header cannot carry", "token")


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise _refused(f"{file}: cannot be read: {error.strerror}", "") from error
    except msgspec.MsgspecError as error:
        raise _refused(f"{file}: not a JSON object: {error}", "") from error
    for older, name in _OLDER_NAMES.items():
        if older in values:
            values.setdefault(name, values.pop(older))
    if "worker_name" in values:
        values.setdefault("title", values.pop("worker_name"))
    return {name: value for name, value in values.items() if name not in _LATER}


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError


def _refused(detail: str, path: str) -> InvalidInput:
    return InvalidInput(detail, code="SETTINGS_INVALID", extra={"path": path})
