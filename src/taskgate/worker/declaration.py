"""`@task`: marks a function as something that a worker can do.

The function stays an ordinary function, sync or async; the mark is an attribute that `loading` finds.
Everything that can be wrong with it (a name, a type without a schema, an example that does not fit) is
said when the module is imported, not when the first run arrives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import msgspec

from taskgate.ids import is_task_name
from taskgate.wire.messages import TaskOffer
from taskgate.worker.schema import Shape, shape_of

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__taskgate_task__"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B?)", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task as its author declared it. Seconds and bytes; None leaves it to the gateway or the worker."""

    name: str
    function: Callable[..., Any]
    shape: Shape
    is_async: bool
    version: str = ""
    description: str = ""
    timeout_s: float | None = None
    retries: int | None = None
    memory_bytes: int | None = None
    examples: tuple[Any, ...] = ()

    def offer(self) -> TaskOffer:
        """What the worker's hello says about it."""
        output = self.shape.output_schema
        return TaskOffer(
            name=self.name,
            version=self.version,
            description=self.description,
            input_schema=msgspec.Raw(self.shape.input_schema),
            output_schema=None if output is None else msgspec.Raw(output),
            examples=list(self.examples),
            timeout_s=self.timeout_s,
            retries=self.retries,
        )


@overload
def task(function: F, /) -> F: ...


@overload
def task(
    *,
    name: str = "",
    version: str = "",
    description: str = "",
    timeout_s: float | None = None,
    retries: int | None = None,
    memory: int | str | None = None,
    examples: Sequence[Any] = (),
) -> Callable[[F], F]: ...


def task(function: Any = None, /, *, name: str = "", memory: int | str | None = None, **options: Any) -> Any:
    """Mark a function as a task.

    `name` defaults to the function's, `description` to its docstring. `timeout_s` limits one try, `retries`
    says how many more there may be, `memory` is bytes or a text such as "512MiB". `examples` are inputs.
    TypeError or ValueError when it cannot be a task.
    """
    unknown = options.keys() - {"version", "description", "timeout_s", "retries", "examples"}
    if unknown:
        raise TypeError(f"@task has no option {', '.join(sorted(unknown))}")

    def mark(marked: Any) -> Any:
        setattr(marked, MARK, spec_of(marked, name=name, memory_bytes=parse_size(memory), **options))
        return marked

    return mark if function is None else mark(function)


def spec_of(function: Callable[..., Any], *, name: str = "", **options: Any) -> TaskSpec:
    """The task that a function is; TypeError or ValueError when it cannot be one."""
    name = name or getattr(function, "__name__", "")
    if not is_task_name(name):
        raise ValueError(f"{name!r} cannot name a task: 1 to 128 letters, digits, '_', '.' and '-'")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"task {name!r}: a generator has no result; use context.log or context.progress on the way")
    _check_bounds(name, **{key: options.get(key) for key in ("timeout_s", "retries")})
    shape = shape_of(function)
    options["examples"] = tuple(_example(name, shape, value) for value in options.pop("examples", ()))
    options["description"] = options.pop("description", "") or inspect.cleandoc(function.__doc__ or "")
    is_async = inspect.iscoroutinefunction(function)
    return TaskSpec(name=name, function=function, shape=shape, is_async=is_async, **options)


def marked(value: Any) -> TaskSpec | None:
    """The task that an object was marked as, if any."""
    spec = getattr(value, MARK, None) if callable(value) else None
    return spec if isinstance(spec, TaskSpec) else None


def parse_size(size: int | str | None) -> int | None:
    """Bytes from a number or a text such as "1.5GiB" or "512M" (powers of 1,024)."""
    if size is None or isinstance(size, int):
        found = size
    else:
        match = _SIZE.fullmatch(size.strip())
        if match is None:
            raise ValueError(f"{size!r} is not a size such as 512MiB")
        found = int(float(match[1]) * 1024 ** _POWERS[match[2].upper()])
    if found is not None and found <= 0:
        raise ValueError(f"a memory limit is positive, not {size!r}")
    return found


def _check_bounds(name: str, *, timeout_s: float | None, retries: int | None) -> None:
    if timeout_s is not None and not timeout_s > 0:
        raise ValueError(f"task {name!r}: timeout_s is positive, not {timeout_s!r}")
    if retries is not None and retries < 0:
        raise ValueError(f"task {name!r}: retries is not negative, not {retries!r}")


def _example(name: str, shape: Shape, value: Any) -> Any:
    try:
        text = msgspec.json.encode(value)
        shape.bind(text)
    except (TypeError, msgspec.MsgspecError) as error:
        raise ValueError(f"task {name!r}: the example {value!r} is not an input of it: {error}") from error
    return msgspec.json.decode(text)
