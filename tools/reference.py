"""Writes docs/reference from the program itself: settings, command line, HTTP API.

    python -m tools.reference           write the pages
    python -m tools.reference --check   fail when a committed page is not current

Each page is made from the thing it describes (the settings' docstrings, the commands' help, the OpenAPI document), so a
page can be out of date but never wrong for long: a law test compares them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from taskgate.assembly import build
from taskgate.cli.root import root
from taskgate.config import describe, load
from taskgate.config.sources import OTHERS
from taskgate.edge.http.app import build_http
from taskgate.telemetry.catalogue import METRICS
from taskgate.worker import WorkerSettings

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
MADE = "<!-- Written by `make docs` from the program itself. Edits are lost. -->\n"
Part = dict[str, Any] | bool  # a schema
METHODS = ("get", "post", "put", "delete")


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "settings.md": settings_page(),
        "worker-settings.md": worker_page(),
        "cli.md": cli_page(),
        "api.md": api_page(),
        "metrics.md": metrics_page(),
    }


def metrics_page() -> str:
    """What `GET /metrics` tells."""
    rows = [
        f"| `{metric.name}{'_total' if metric.kind == 'counter' else ''}` | {metric.kind} | {metric.scope} "
        f"| {' '.join(f'`{label}`' for label in metric.labels)} | {metric.told} |"
        for metric in METRICS.values()
    ]
    head = (
        "# Metrics\n\n"
        + MADE
        + "\nNumbers of a `gateway` are added up over gateways; those of the `cluster` are equal at "
        "each of them. Process metrics (`process_*`, `python_gc_*`) are those of the Prometheus client.\n\n"
        "| name | kind | of | labels | what it says |\n|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> int:
    """Write or check; the exit code."""
    stale = [name for name, text in pages().items() if current(name) != text]
    if "--check" in sys.argv:
        print("\n".join(f"docs/reference/{name} is not current: make docs" for name in stale))
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"docs/reference: {len(stale)} of {len(pages())} pages changed")
    return 0


def current(name: str) -> str:
    """The committed text of a page, "" where there is none."""
    file = FOLDER / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


# ---------------------------------------------------------------- settings


def settings_page() -> str:
    """One row per setting, by section."""
    lines = [
        "# Settings of a gateway\n",
        MADE,
        "Sources, weakest first: defaults, names of older systems, one TOML or YAML file (`--config FILE` or",
        "`APP_CONFIG`), `TASKGATE_*` variables, flags. An unknown name is refused, and the nearest one is told.",
        "`taskgate check` reads them all and says what is wrong and where.\n",
        "```toml\n# gateway.toml",
        'data_dir = "/var/lib/taskgate"\n',
        '[http]\nhost = "0.0.0.0"\nport = 8080\n```',
    ]
    section = None
    for field in describe(load(env={})):
        parent = field.path.rpartition(".")[0]
        if parent != section:
            section = parent
            lines += [
                f"\n## {section or 'At the top'}\n",
                "| setting | kind | default | meaning |",
                "|---|---|---|---|",
            ]
        older = f"<br>also `{field.compatible}`" if field.compatible else ""
        default = f"`{field.default}`" if field.default else "empty"
        names = f"`{field.path}`<br>`{field.environment}`{older}"
        lines.append(f"| {names} | {field.type_text} | {default} | {cell(field.description)} |")
    lines.append("\n## Variables that are no settings\n")
    lines.append(
        ", ".join(f"`{name}`" for name in sorted(OTHERS)) + " are read by callers, workers and the command line."
    )
    return "\n".join(lines) + "\n"


def worker_page() -> str:
    """One row per setting of a worker, from its docstring (`name: meaning. Default …`)."""
    lines = [
        "# Settings of a worker\n",
        MADE,
        "Sources, weakest first: a worker file (JSON, `taskgate worker --config FILE`), the environment",
        "(`TASKGATE_URL`, `TASKGATE_API_KEY`, `EXTRA_TASK_MODULES`), flags. An unknown name is refused, and the",
        "nearest one is told. Older worker files are read too: `worker_id`, `worker_name`, `active_tasks`,",
        "`max_concurrent_tasks`.\n",
        '```json\n{"gateway": "https://gate.example", "name": "pc-17", "tasks": ["shop.tasks"], "slots": 4}\n```\n',
        "| setting | meaning |",
        "|---|---|",
    ]
    kinds = {field.name for field in dataclasses.fields(WorkerSettings)}
    for line in inspect.cleandoc(WorkerSettings.__doc__ or "").splitlines():
        name, _, meaning = line.partition(": ")
        if name in kinds:
            lines.append(f"| `{name}` | {cell(meaning)} |")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- command line


def cli_page() -> str:
    """One chapter per command."""
    lines = ["# The command line\n", MADE, "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."]
    lines.append(
        "Tables go to standard output, everything else to standard error; `--json` makes one document of the former."
    )
    lines.append("\n## taskgate\n")
    lines.append(help_text(root, "taskgate"))
    for name, command in commands(root, "taskgate"):
        lines += [f"\n## {name}\n", help_text(command, name)]
    return "\n".join(lines) + "\n"


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with its full name."""
    with click.Context(group, info_name=prefix) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is None:
                continue
            yield f"{prefix} {name}", command
            if isinstance(command, click.Group):
                yield from commands(command, f"{prefix} {name}")


def help_text(command: click.Command, name: str) -> str:
    """A command's help as it stands on a wide terminal."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "terminal_width": 100}
    with click.Context(command, info_name=name, **settings) as context:  # type: ignore[arg-type]
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"```text\n{text}\n```"


# ---------------------------------------------------------------- HTTP


def api_page() -> str:
    """One row per operation, and one table per shape, from the OpenAPI document of an administrator."""
    document = asyncio.run(openapi())
    lines = [
        "# The HTTP API\n",
        MADE,
        "The same document, with every task of your own, is at `/docs` and `/openapi.json`",
    ]
    lines.append(
        "of a running gateway. A credential goes into `X-API-Key` or `Authorization: Bearer`. Errors are problem"
    )
    lines.append("documents (RFC 9457) with a stable `code`.")
    operations = [
        (method.upper(), path, members[method])
        for path, members in document["paths"].items()
        for method in METHODS
        if method in members
    ]
    for tag in document["tags"]:
        found = [one for one in operations if tag["name"] in one[2].get("tags", ())]
        if found:
            lines += [f"\n## {tag['name']}\n", "| method and path | does | takes | answers |", "|---|---|---|---|"]
            lines += [operation_row(*one) for one in found]
    lines.append("\n## Shapes\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += shape(name, schema)
    return "\n".join(lines) + "\n"


async def openapi() -> dict[str, Any]:
    """The document that a gateway without tasks gives to an administrator."""
    env = {"DATABASE_URL": "memory:", "AUTH_ENABLED": "false"}
    app = build_http(build(load(env=env)))
    body = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/openapi.json", "raw_path": b"/openapi.json", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 30090),
    }  # fmt: skip
    await app(scope, receive, send)
    document: dict[str, Any] = json.loads(bytes(body))
    if "paths" not in document:
        raise SystemExit(f"the document cannot be made: {document.get('detail')}")
    return document


def operation_row(method: str, path: str, operation: dict[str, Any]) -> str:
    """One operation as a table row."""
    takes = [f"`{one['name']}`" for one in operation.get("parameters", ()) if one["in"] != "path"]
    takes += references(operation.get("requestBody", {}))
    answers = [
        f"{status}{' ' + ', '.join(found) if (found := references(reply)) else ''}"
        for status, reply in operation.get("responses", {}).items()
        if status.startswith("2")
    ]
    does = ". ".join(part.rstrip(".") for part in (operation["summary"], operation.get("description", "")) if part)
    return f"| `{method} {path}` | {cell(does)} | {', '.join(takes)} | {'; '.join(answers)} |"


def references(node: Any) -> list[str]:
    """Links to the shapes that a part of the document names, each once."""
    found: dict[str, None] = {}

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                found[part["$ref"].rpartition("/")[2]] = None
            for member in part.values():
                walk(member)
        elif isinstance(part, list):
            for member in part:
                walk(member)

    walk(node)
    return [f"[{name}](#{name.lower()})" for name in found]


def shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    """A schema as a heading, its sentence and its members."""
    yield f"### {name}\n"
    if description := schema.get("description"):
        yield f"{description}\n"
    members = schema.get("properties", {})
    if members:
        yield "| member | kind | meaning |\n|---|---|---|"
        required = set(schema.get("required", ()))
        for member, part in members.items():
            must = " (required)" if member in required else ""
            yield f"| `{member}`{must} | {kind(part)} | {cell(described(part))} |"
        yield ""


def described(part: Part) -> str:
    """What is said of a member."""
    return "" if isinstance(part, bool) else str(part.get("description", ""))


def kind(part: Part) -> str:
    """What a member is, in a few words."""
    if isinstance(part, bool):
        return "anything"
    if "$ref" in part:
        return references(part)[0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in part:
            return " or ".join(dict.fromkeys(kind(one) for one in part[choice]))
    if "enum" in part:
        return " or ".join(f"`{value}`" for value in part["enum"])
    name = part.get("type", "anything")
    if isinstance(name, list):
        name = " or ".join(name)
    if name == "array":
        return f"list of {kind(part.get('items', {}))}"
    return f"{name} ({part['format']})" if "format" in part else str(name)


def cell(text: str) -> str:
    """Text that fits into one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
