"""The command tree, and the one place where an error becomes a line and an exit code.

Commands are imported when they are used, so a machine that has only the base install runs every command that
needs no more; one that does says which extra is missing. No error is ever shown as a trace: TASKGATE_DEBUG=1
shows it for those who want to report a bug.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click
import msgspec

from taskgate import __version__
from taskgate.cli.screen import plain
from taskgate.errors import TaskgateError

COMMANDS = {
    "up": "A gateway, a service and a worker in one go, then a tour of real calls.",
    "serve": "The gateway alone.",
    "worker": "A worker: takes runs from a gateway and does them.",
    "check": "Read the settings and build everything without starting it.",
    "doctor": "On a worker machine: can it reach the gateway, is its key good, are its tools there?",
    "call": "Do a task: submit it, watch its journal, print its output.",
    "runs": "Look at runs, cancel them, do them again.",
    "tasks": "What can be done: list, show, declare, remove.",
    "workers": "Who is connected; drain one.",
    "queues": "How much waits in every queue, and who could take it.",
    "gateways": "Which gateways are alive, what each leads and who is linked to it.",
    "services": "HTTP services behind the gateway: register, list, remove.",
    "routes": "Which method and path leads where.",
    "openapi": "OpenAPI documents: what changed from one to the next.",
    "keys": "API keys: create, list, revoke, rotate.",
    "tokens": "Short-lived tokens: create, revoke.",
    "db": "The database server: check its schema, upgrade it.",
    "dead": "Dead letters: failed runs that nobody has retried.",
    "history": "Ended runs of long ago: list, show, export.",
    "audit": "Who did what: list, export, verify that nothing was changed.",
    "version": "Which taskgate this is, and which parts of it are installed.",
}
EXTRA_OF = {
    "grpc": "grpc",
    "google": "grpc",
    "apsw": "server",
    "asyncpg": "postgres",
    "cryptography": "server",
    "fastapi": "server",
    "grpc_health": "server",
    "grpc_reflection": "server",
    "httptools": "server",
    "jsonschema_rs": "server",
    "jwt": "server",
    "opentelemetry": "telemetry",
    "prometheus_client": "server",
    "pymysql": "mysql",
    "redis": "redis",
    "starlette": "server",
    "uvicorn": "server",
    "uvloop": "server",
    "websockets": "server",
    "yaml": "server",
}
REFUSED, USAGE, INTERRUPTED = 1, 2, 130


class Root(click.Group):
    """Finds commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"taskgate.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """As click's, with our errors and exit codes."""
        options["standalone_mode"] = False
        given = options.get("args") or (args[0] if args else None) or sys.argv[1:]
        try:
            code = super().main(*args, **options)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: nothing to say
            code = 0
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        except Exception as error:
            code = complain(error, as_json="--json" in given)
        sys.exit(code if isinstance(code, int) else 0)


@click.version_option(__version__, "--version", prog_name="taskgate")
@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def root() -> None:
    """One door for AI work.

    \b
    Example:
      taskgate up                                        a gateway to play with
      taskgate call text.keywords --input '{"text": "…"}'

    A gateway on this machine is found by itself; elsewhere set TASKGATE_URL and TASKGATE_API_KEY.
    """


def complain(error: Exception, *, as_json: bool) -> int:
    """Tell the error as one line on standard error (with --json: one JSON object); the exit code for it."""
    if os.environ.get("TASKGATE_DEBUG"):
        raise error
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # a group without a command: its help is the answer
        click.echo(error.format_message(), err=True)
        return USAGE
    code, detail, extra = _told(error)
    if as_json:
        click.echo(msgspec.json.encode({"error": {"code": code, "detail": detail, **extra}}, enc_hook=str), err=True)
    else:
        path = extra.get("path")
        where = f" (at {path})" if isinstance(path, str) and path and path not in detail else ""
        click.echo(f"{click.style('error', fg='red', bold=True)}: {plain(detail + where)} [{code}]", err=True)
    return USAGE if isinstance(error, click.UsageError) else REFUSED


def _told(error: Exception) -> tuple[str, str, dict[str, object]]:
    if isinstance(error, click.UsageError):
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return "USAGE", error.format_message() + hint, {}
    if isinstance(error, click.ClickException):
        return "FAILED", error.format_message(), {}
    if isinstance(error, ModuleNotFoundError) and (missing := (error.name or "").partition(".")[0]) in EXTRA_OF:
        extra = EXTRA_OF[missing]
        detail = f"this needs the {extra} part of taskgate: pip install 'taskgate[{extra}]' ({missing} is missing)"
        return "MISSING_EXTRA", detail, {"extra": extra}
    if isinstance(error, TaskgateError):
        return error.code, error.detail or type(error).__name__, error.extra
    if isinstance(error, OSError):
        return "OS_ERROR", f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), {}
    return "INTERNAL", f"{type(error).__name__}: {error} (TASKGATE_DEBUG=1 shows where)", {}
