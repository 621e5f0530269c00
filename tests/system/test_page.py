"""`/docs` in a real browser: the key, the page, "Try it out" through the gateway to a service and to a worker.

chromium is needed; where it is missing the test is skipped by name, and in CI it fails.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgate import Client
from tests.system.browser import Tab, browser
from tests.system.cluster import GatewayProcess, WorkerProcess, free_port
from tests.system.conftest import until_online
from tests.system.proxy.fronts import ask
from tests.system.proxy.servers import ServerProcess, need, running

pytestmark = pytest.mark.system
WITHIN_S = 30.0
ADD, GREET, GONE = "/v1/ai/math/add", "/v1/tasks/demo.greet/runs", "/v1/gone/" + "a_name_that_a_generator_made_" * 5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway, the math service, a worker; and a service with long names that lets its lease lapse."""
    need("chromium")
    gateway = GatewayProcess(tmp_path_factory.mktemp("page") / "data")
    gateway.start()
    worker = WorkerProcess(gateway, "w1", tasks="taskgate.cli.tour.tasks")
    try:
        with Client(gateway.url, gateway.admin_key) as client, running(math_service(gateway)):
            route = {"name": "far", "method": "GET", "gateway_path": GONE, "summary": "so_long_" * 20}
            gone = {"name": "gone", "base_url": "http://127.0.0.1:9", "routes": [route], "lease_s": 5}
            status, told = ask(gateway.url, "POST", "/gateway/register", key=gateway.admin_key, body=gone)
            assert status == 200, told
            until_online(client, 1)
            yield gateway
    finally:
        worker.kill()
        gateway.kill()


def math_service(gateway: GatewayProcess) -> ServerProcess:
    port = free_port()
    told = {
        "GATEWAY_URL": gateway.url,
        "TASKGATE_API_KEY": gateway.admin_key,
        "SERVICE_BASE_URL": f"http://127.0.0.1:{port}",
    }
    command = [sys.executable, "-m", "demos.math_service", "--port", str(port)]
    return ServerProcess(command, port=port, log=gateway.folder.parent / "math.log", settings=told)


def block(path: str) -> str:
    return f'.opblock:has([data-path="{path}"])'


async def opened(tab: Tab, path: str) -> None:
    """Unfold an operation; its body is filled in with its example."""
    await tab.click(f'[data-path="{path}"]')
    await tab.until(f"document.querySelector('{block(path)} .execute')")


async def tried(tab: Tab, path: str) -> tuple[str, Any]:
    """Press Execute; the status and the body that are shown."""
    place = f"{block(path)} .live-responses-table"
    if await tab.value(f"!!document.querySelector('{place}')"):
        await tab.click(f"{block(path)} .btn-clear")
        await tab.until(f"!document.querySelector('{place}')")
    await tab.click(f"{block(path)} .execute")
    status = await tab.text(f"{place} tbody .response-col_status")
    await tab.until(f"document.querySelector('{place} .highlight-code')")
    body = await tab.text(f"{place} .highlight-code")
    return status.split()[0], json.loads(body[body.index("{") : body.rindex("}") + 1])


async def let_in(tab: Tab, url: str, key: str) -> None:
    await tab.open(f"{url}/docs")
    await tab.type("#key", "tg_nobody")
    await tab.click("#ask button")
    assert "credential" in (await tab.text("#refusal:not([hidden])"))
    await tab.type("#key", "")
    await tab.value("document.getElementById('key').value = ''")
    await tab.type("#key", key)
    await tab.click("#ask button")
    await tab.until(f"document.querySelector('[data-path=\"{ADD}\"]')")


async def test_the_page_in_a_browser(site: GatewayProcess, tmp_path: Path) -> None:
    """The key opens it; a service's route and a task answer 200; without the key nothing does; it fits a phone."""
    async with browser(need("chromium"), tmp_path / "browser") as tab:
        await let_in(tab, site.url, site.admin_key)
        refusals, tab.complaints = tab.complaints, []
        assert len(refusals) == 1  # the browser itself tells of the 401
        await opened(tab, ADD)
        assert await tried(tab, ADD) == ("200", {"result": 13})
        shown = await tab.text(f"{block(ADD)} .live-responses-table")
        assert "via: 1.1 taskgate" in shown
        await opened(tab, GREET)
        status, run = await tried(tab, GREET)
        assert (status, run["status"], run["output"]) == ("200", "succeeded", "Hello, Ada!")
        assert tab.complaints == []
        await without_the_key(tab, site.admin_key)
        groups = str(await tab.value("[...document.querySelectorAll('.opblock-tag')].map(one => one.innerText).join()"))
        assert groups.index("Run · demo") < groups.index("math") < groups.index("Runs") < groups.index("Keys")
        for width in (1280, 390):
            await tab.width(width)
            assert await tab.value("document.documentElement.scrollWidth") <= width


async def without_the_key(tab: Tab, key: str) -> None:
    """Authorize's window: forget the key, see the 401, say it again."""
    await tab.click(".scheme-container .authorize")
    await tab.click(".auth-container button[aria-label='Remove authorization']")
    await tab.click(".dialog-ux .btn-done")
    status, told = await tried(tab, ADD)
    assert (status, told["code"]) == ("401", "UNAUTHENTICATED")
    await tab.click(".scheme-container .authorize")
    await tab.type(".auth-container input[type=text]", key)
    await tab.click(".auth-container button[type=submit]")
    await tab.click(".dialog-ux .btn-done")
    assert (await tried(tab, ADD))[0] == "200"


async def test_a_service_that_is_away_is_marked(site: GatewayProcess, tmp_path: Path) -> None:
    """The page says so where its routes stand, and the files that it offers are whole documents."""
    folder = tmp_path / "browser"
    async with browser(need("chromium"), folder) as tab:
        with Client(site.url, site.admin_key) as client:
            until(lambda: is_away(client, "gone"))
        await let_in(tab, site.url, site.admin_key)
        assert "Stale: the service is away" in await tab.text(f'.opblock-tag-section:has([data-path="{GONE}"]) h3')
        await tab.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        for name, member in (("openapi.json", "openapi"), ("openapi-3.2.json", "openapi"), ("postman.json", "item")):
            await tab.click(f'#forms button[data-file="{name}"]')
            until((folder / name).exists)  # written under another name, and renamed when it is whole
            assert json.loads((folder / name).read_text(encoding="utf-8"))[member]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def is_away(client: Client, name: str) -> bool:
    return {service.name: service.status for service in client.services.all()}[name] == "away"
