"""Writes the expected files anew: `python -m tests.golden.openapi.writing`."""

from __future__ import annotations

import json

from taskgate.routes.openapi.reading import read_document
from tests.golden.openapi.documents import EXPECTED, GOLDEN, HERE, NAMES, merged, names_of


def read_golden(name: str) -> str:
    """What `read_document` makes of a source, as it stands in the expected file."""
    tree = read_document((HERE / "sources" / name).read_bytes()).tree
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    for name in GOLDEN:
        (EXPECTED / f"{name.rpartition('.')[0]}.json").write_text(read_golden(name))
    (EXPECTED / "names.txt").write_text(names_of(merged(*NAMES)))


if __name__ == "__main__":
    main()
