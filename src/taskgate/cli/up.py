"""`taskgate up`: a gateway, a service and a worker in one go, then the tour, then serving until Ctrl-C.

It holds no server code: gateway, service and worker are processes of their own, started as anybody would start
them, and all of them have ended before it does.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from taskgate.errors import TaskgateError

if TYPE_CHECKING:
    from taskgate.cli.tour.household import Household
    from taskgate.cli.tour.stage import Stage
    from taskgate.cli.tour.steps import Step

DEMO_TASKS = "taskgate.cli.tour.tasks,taskgate.cli.tour.math.tasks"


@click.command(short_help="Start a gateway and a worker, and take the tour.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the HTTP and WebSocket door.")
@click.option("--port", default=30090, show_default=True, type=click.IntRange(0, 65535), help="Its TCP port; 0 = any.")
@click.option(
    "--grpc-port", default=50051, show_default=True, type=click.IntRange(0, 65535), help="Port of the gRPC door."
)
@click.option(
    "--math-port", default=8082, show_default=True, type=click.IntRange(0, 65535), help="Port of the demo service."
)
@click.option(
    "--data-dir",
    default=".taskgate",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where everything is kept.",
)
@click.option("--no-demo", is_flag=True, help="Only start the gateway: no demo service and worker, no tour.")
@click.option(
    "--exit-after-tour", is_flag=True, help="End after the tour: 0 when every call answered as it should, else 1."
)
def up(
    *, host: str, port: int, grpc_port: int, math_port: int, data_dir: Path, no_demo: bool, exit_after_tour: bool
) -> int:
    """Start a gateway, the demo math service and a worker, and show real calls with their real answers.

    Example: taskgate up --exit-after-tour
    """
    from taskgate.cli.tour.household import Household

    console = Console(highlight=False)
    household = Household(data_dir)
    signal.signal(signal.SIGTERM, _interrupt)
    code = 0
    try:
        console.print("[bold]taskgate up[/]: starting the gateway")
        door = ["--host", host, "--port", str(port), "--grpc-port", str(grpc_port), "--data-dir", str(data_dir)]
        household.start("gateway", ["serve", *door])
        url = household.await_gateway()["url"]
        console.print(f"  gateway    {url}   (documents: {url}/docs)")
        console.print(f"  admin key  {data_dir / 'admin.key'}   logs: {data_dir / 'logs'}")
        if not no_demo:
            code = _tour(household, console, url, math_port=math_port)
        if not exit_after_tour:
            _serve(household, console, url)
    except KeyboardInterrupt:
        console.print("\nstopping")
    except TaskgateError as error:
        console.print(f"[red]error[/] {escape(error.detail or str(error))}")
        code = 1
    finally:
        household.close()
    return code


def _tour(household: Household, console: Console, url: str, *, math_port: int) -> int:
    """Walk through the steps; the number of failed ones, at most 1."""
    from taskgate import Client
    from taskgate.cli.tour.math_door import start_math
    from taskgate.cli.tour.stage import Stage
    from taskgate.cli.tour.steps import STEPS

    admin = (household.data_dir / "admin.key").read_text(encoding="utf-8").strip()

    def start_worker(name: str) -> None:
        key = str(household.data_dir / "worker.key")
        household.start(name, ["worker", "--gateway", url, "--token-file", key, "--name", name, "--tasks", DEMO_TASKS])

    with Client(url, admin) as client:
        stage = Stage(
            client=client,
            household=household,
            console=console,
            start_worker=start_worker,
            another_client=lambda: Client(url, admin),
            url=url,
            api_key=admin,
        )
        start_worker("worker-1")
        console.print(
            f"  service    {start_math(household, client, url=url, port=math_port)}   registers itself as math"
        )
        stage.await_workers(1)
        console.print(f"  worker     worker-1 with the tasks of {DEMO_TASKS.replace(',', ' and ')}\n", soft_wrap=True)
        failed = sum(not _walk(stage, number, step) for number, step in enumerate(STEPS, start=1))
    console.print(f"\n{len(STEPS) - failed} of {len(STEPS)} steps answered as they should")
    return 1 if failed else 0


def _walk(stage: Stage, number: int, step: Step) -> bool:
    """Make one step; whether it went well."""
    from taskgate.cli.tour.stage import StepFailed

    title, walk = step
    stage.console.print(f"[bold]{number:>2}. {title}[/]")
    began = time.monotonic()
    try:
        walk(stage)
    except (StepFailed, TaskgateError) as error:
        stage.console.print(f"   [red]✗ {escape(str(error))}[/]", soft_wrap=True)
        return False
    stage.console.print(f"   [dim]✓ {1000 * (time.monotonic() - began):.0f} ms[/]")
    return True


def _serve(household: Household, console: Console, url: str) -> None:
    program = escape(sys.argv[0] if "/" in sys.argv[0] else "taskgate")
    console.print(f"\nserving at {url} until Ctrl-C; in another terminal: [bold]{program} tasks ls[/]", soft_wrap=True)
    while (name := household.ended()) is None:
        time.sleep(0.5)
    console.print(f"[red]{name} ended by itself[/]: {escape(household.last_words(name))}")


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
