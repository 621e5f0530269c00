"""`taskgate doctor`: would a worker work on this machine?

It takes what `worker` takes, looks at each thing the worker will need, and starts nothing.
"""

from __future__ import annotations

from typing import Any

import click

from taskgate.cli.connection import json_option
from taskgate.cli.screen import Screen
from taskgate.cli.worker import worker_options, worker_settings


@click.command
@worker_options
@json_option
def doctor(*, as_json: bool, **options: Any) -> int:
    """On a worker machine: can it reach the gateway, is its key good, are its tools there?

    \b
    Example:
      taskgate doctor --gateway https://gate.example --token-file worker.key --tasks shop.tasks
    """
    screen = Screen(as_json=as_json)
    settings = worker_settings(**options)
    from taskgate.worker import doctor as examine

    with screen.busy("looking"):
        findings = examine(settings)
    screen.rows(
        findings,
        {
            "": lambda finding: "ok" if finding.is_good else "FAILED",
            "what": lambda finding: finding.name,
            "found": lambda finding: finding.detail,
        },
    )
    return 0 if all(finding.is_good for finding in findings) else 1
