"""The tree drawn in errors.py is the tree of classes, and every leaf has its row in status.py."""

from __future__ import annotations

import inspect
import re

from taskgate import errors, status

BRANCH = re.compile(r"^(?P<indent>[│ ├└─]*?)(?P<name>[A-Z]\w+)(?:\s{2,}.*)?$")
STEP = 4  # columns by which a drawing indents a child


def drawn(story: str) -> set[tuple[str, str | None]]:
    """(class, parent) pairs of the tree in a docstring."""
    pairs: set[tuple[str, str | None]] = set()
    path: list[str] = []
    for line in inspect.cleandoc(story).splitlines():
        if not re.match(r"\s+TaskgateError$|\s+[├└│]", line):
            continue
        found = BRANCH.match(line)
        assert found is not None, f"not a branch of the tree: {line!r}"
        depth = len(found["indent"]) // STEP - 1
        pairs.add((found["name"], path[depth - 1] if depth else None))
        path[depth:] = [found["name"]]
    return pairs


def built() -> dict[str, type[errors.TaskgateError]]:
    """Every error class that errors.py defines."""
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.TaskgateError)
    }


def leaves() -> list[type[errors.TaskgateError]]:
    """Classes that nothing derives from."""
    classes = built().values()
    return [leaf for leaf in classes if not any(other is not leaf and issubclass(other, leaf) for other in classes)]


def test_the_drawing_is_the_tree() -> None:
    classes = {
        (name, None if cls is errors.TaskgateError else cls.__mro__[1].__name__) for name, cls in built().items()
    }
    assert drawn(errors.__doc__ or "") == classes


def test_every_leaf_has_a_row() -> None:
    missing = [leaf.__name__ for leaf in leaves() if leaf not in status.ROWS]
    assert missing == []


def test_rows_hold_numbers_of_their_protocols() -> None:
    for cls, row in status.ROWS.items():
        assert 400 <= row.http <= 599, cls
        assert 1 <= row.grpc <= 16, cls
        assert row.close in range(1000, 1016) or row.close in range(4000, 5000), cls


def test_no_error_is_defined_outside_the_tree() -> None:
    """Rooms raise what errors.py names: what a caller can meet stands in one place."""
    ours = {cls.__name__ for cls in all_subclasses(errors.TaskgateError) if cls.__module__.startswith("taskgate")}
    strangers = ours - set(built())
    assert strangers == set()


def all_subclasses(cls: type[errors.TaskgateError]) -> set[type[errors.TaskgateError]]:
    """Every class below `cls` that has been imported."""
    children = set(cls.__subclasses__())
    return children.union(*(all_subclasses(child) for child in children))


def test_a_wrong_drawing_is_seen() -> None:
    story = "\n    TaskgateError\n    ├── NotNow     later\n    │   └── Limited\n    └── LeaseLost\n\nThe end.\n"
    assert drawn("Title.\n" + story) == {
        ("TaskgateError", None),
        ("NotNow", "TaskgateError"),
        ("Limited", "NotNow"),
        ("LeaseLost", "TaskgateError"),
    }
