"""`GET /v1/gateways`: an administrator's list of the gateways that are alive."""

from __future__ import annotations

from taskgate import __version__
from tests.edge.http.house import House


async def test_a_gateway_alone(house: House) -> None:
    await house.worker("demo.echo", site="acme", credit=2, worker_id="ours")
    reply = await house.ask("GET", "/v1/gateways", key=await house.key("admin"))
    assert reply.status == 200, reply.body
    assert reply.told["complete"] is True
    (row,) = reply.told["gateways"]
    assert row.pop("id")
    assert row.pop("host")
    assert row.pop("started_at")
    leads = row.pop("leads")
    assert set(leads) <= {"archiver", "janitor", "journals"}
    assert row == {
        "version": __version__,
        "status": "serving",
        "processes": 1,
        "workers": 1,
        "running": 0,
        "here": True,
    }
    house.gateway.intake.leaving = True
    reply = await house.ask("GET", "/v1/gateways", key=await house.key("admin"))
    assert reply.told["gateways"][0]["status"] == "leaving"


async def test_it_is_an_administrators(house: House) -> None:
    """INV-A1: hosts, and how busy all tenants together are, are nobody else's."""
    assert (await house.ask("GET", "/v1/gateways", key=await house.key("read", "submit"))).status == 403
    assert (await house.ask("GET", "/v1/gateways")).status == 401
