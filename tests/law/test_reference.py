"""The reference pages are made from the program, and the committed ones are current (`make docs`)."""

from __future__ import annotations

import pytest

from tools import reference


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("name", ["settings.md", "worker-settings.md", "cli.md", "api.md"])
def test_a_page_is_current(pages: dict[str, str], name: str) -> None:
    assert reference.current(name) == pages[name], f"docs/reference/{name} is not current: make docs"


def test_pages_are_made_of_the_program(pages: dict[str, str]) -> None:
    """A setting, a command and an operation that exist are there."""
    assert "`TASKGATE_RUNS__LEASE_S`" in pages["settings.md"]
    assert "## taskgate runs cancel" in pages["cli.md"]
    assert "`POST /v1/tasks/{task}/runs/batch`" in pages["api.md"]
    assert "### Problem" in pages["api.md"]
