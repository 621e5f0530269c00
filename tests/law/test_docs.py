"""What the repository says about itself is true: links lead somewhere, one version, no traces of a machine."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskgate
from tests.law.sources import ROOT, read

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
MACHINE_PATH = re.compile(r"(?<![\w.~}/])/(?:home|root|work|Users)/\w")
LEFT_OVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
RELEASE = re.compile(r"^## \[([^\]]+)\]", re.MULTILINE)


def pages() -> list[Path]:
    """Every Markdown page that a reader may land on."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    heads = re.findall(r"^#{1,6}\s+(.+?)\s*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(page: Path) -> Iterator[str]:
    """Relative links whose file, or whose heading in it, does not exist."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for plain, image in LINK.findall(text):
        link = plain or image
        if re.match(r"[a-z][a-z0-9+.-]*:", link) or link.startswith("/"):
            continue
        place, _, anchor = link.partition("#")
        target = page if not place else page.parent / place
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield link


def test_links_lead_somewhere() -> None:
    found = {page.relative_to(ROOT).as_posix(): links for page in pages() if (links := list(broken_links(page)))}
    assert found == {}


def version_fault(version: str, changelog: str) -> str | None:
    """Why the version does not fit the changelog: the newest release, or work that is not released yet."""
    heads = RELEASE.findall(changelog)
    if not heads or heads[0] != "Unreleased":
        return "the changelog has no Unreleased head"
    releases = heads[1:]
    unreleased = changelog.split("## [Unreleased]", 1)[1].split("\n## ", 1)[0]
    if version in releases[:1]:
        return None
    if version in releases:
        return f"{version} is older than the newest release {releases[0]}"
    return None if "\n- " in unreleased else f"{version} is neither released nor is anything unreleased"


def test_one_version() -> None:
    """pyproject.toml, the package and the changelog agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == taskgate.__version__
    assert version_fault(taskgate.__version__, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) is None


@pytest.mark.parametrize(
    ("version", "changelog", "is_fine"),
    [
        ("1.0.0", "## [Unreleased]\n\n## [1.0.0] - 2026-01-01\n\n- x\n", True),
        ("0.9.0", "## [Unreleased]\n\n## [1.0.0]\n\n- x\n\n## [0.9.0]\n\n- y\n", False),
        ("1.1.0", "## [Unreleased]\n\n## [1.0.0]\n\n- x\n", False),
        ("1.1.0", "## [Unreleased]\n\n- y\n\n## [1.0.0]\n\n- x\n", True),
        ("1.0.0", "## [1.0.0]\n\n- x\n", False),
    ],
)
def test_a_wrong_version_is_seen(version: str, changelog: str, *, is_fine: bool) -> None:
    assert (version_fault(version, changelog) is None) is is_fine


def test_no_path_of_a_machine() -> None:
    """Nothing that is shipped names a folder that exists on one machine only."""
    places = [*pages(), *(ROOT / source.path for source in read("src")), *ROOT.glob("tools/*"), *ROOT.glob(".ci/*")]
    places += [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "uv.lock"]
    found = [place.name for place in places if place.is_file() and MACHINE_PATH.search(place.read_text("utf-8"))]
    assert found == []
    assert MACHINE_PATH.search("see " + "/".join(["", "home", "me"]))
    assert not MACHINE_PATH.search("GET /v1/work/items and ~/work/x")


def test_nothing_is_left_over() -> None:
    """What is not done is an issue of the project, not a word in its source."""
    assert [source.path for source in read("src") if LEFT_OVER.search(source.text)] == []
    assert LEFT_OVER.search("x = 1  # TODO later")


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A head\n[a](missing.md) [b](#a-head) [c](#gone) [d](https://x.y/z)\n```\n[e](gone.md)\n```\n")
    assert list(broken_links(page)) == ["missing.md", "#gone"]


def test_the_lock_names_only_public_hosts() -> None:
    """A clone anywhere can install from the lock file."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    hosts = set(re.findall(r"https?://([^/\"]+)", text))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
