"""Serves the demo math service: `python -m demos.math_service --port 8082`.

GATEWAY_URL and TASKGATE_API_KEY say where it registers; SERVICE_BASE_URL where the gateway reaches it, when that is
not this machine's own address.
"""

from __future__ import annotations

import os

import click


@click.command
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8082, show_default=True, type=click.IntRange(1, 65535))
def main(*, host: str, port: int) -> None:
    """Serve the demo math service."""
    import uvicorn

    reached = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host  # noqa: S104
    os.environ.setdefault("SERVICE_BASE_URL", f"http://{reached}:{port}")
    uvicorn.run("taskgate.cli.tour.math.service:app", host=host, port=port, access_log=False)


if __name__ == "__main__":
    main()
