"""`@task`: what it says about a function, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate import Context, task
from taskgate.worker.declaration import TaskSpec, marked, parse_size


def spec(function: Any) -> TaskSpec:
    found = marked(function)
    assert found is not None
    return found


def test_the_function_stays_an_ordinary_function() -> None:
    @task(name="text.double")
    def double(text: str, *, context: Context) -> str:
        context.log("doubling")
        return text * 2

    assert double("ab", context=Context()) == "abab"
    assert double.__name__ == "double"


def test_everything_an_author_says_is_offered() -> None:
    @task(name="a.b", version="2", timeout_s=60, retries=3, memory="512MiB", examples=[{"x": 1}])
    async def f(x: int) -> int:
        """Doubles.

        In two lines.
        """
        return x

    offer = spec(f).offer()
    assert (offer.name, offer.version, offer.timeout_s, offer.retries) == ("a.b", "2", 60, 3)
    assert offer.description == "Doubles.\n\nIn two lines."
    assert offer.examples == [{"x": 1}]
    assert bytes(offer.input_schema or b"").startswith(b'{"type":"object"')
    assert spec(f).memory_bytes == 512 << 20
    assert spec(f).is_async


def test_bare_it_takes_the_functions_own_name_and_docstring() -> None:
    @task
    def resize() -> None:
        """Makes it smaller."""

    assert spec(resize).name == "resize"
    assert spec(resize).description == "Makes it smaller."
    assert not spec(resize).is_async


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"name": "a b"}, ValueError, "cannot name a task"),
        ({"timeout_s": 0}, ValueError, "timeout_s is positive"),
        ({"retries": -1}, ValueError, "retries is not negative"),
        ({"memory": "much"}, ValueError, "not a size"),
        ({"memory": 0}, ValueError, "positive"),
        ({"examples": [{"x": "one"}]}, ValueError, r"is not an input of it: Expected `int`"),
        ({"examples": [{"x": {1, object()}}]}, ValueError, "is not an input"),
        ({"tiemout_s": 1}, TypeError, "no option tiemout_s"),
    ],
)
def test_a_mistake_is_said_when_the_task_is_declared(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    def f(x: int) -> int:
        return x

    with pytest.raises(error, match=said):
        task(**options)(f)


def test_a_generator_is_no_task() -> None:
    def stream() -> Any:
        yield 1

    with pytest.raises(TypeError, match="a generator has no result"):
        task(stream)


@pytest.mark.parametrize(
    ("text", "size"), [("1024", 1024), ("1K", 1024), ("1.5 GiB", 3 << 29), ("64mb", 64 << 20), (7, 7), (None, None)]
)
def test_sizes(text: int | str | None, size: int | None) -> None:
    assert parse_size(text) == size


def test_the_names_are_the_same_whatever_was_imported_first() -> None:
    """A module of the room named like one of them would hide it."""
    import taskgate.worker.declaration
    import taskgate.worker.diagnosis

    assert callable(taskgate.worker.task)
    assert taskgate.worker.task is taskgate.task is task
    assert callable(taskgate.worker.doctor)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = taskgate.worker.nothing
