"""The math service's key lies in the data directory: used again while it is good, made anew when it is not."""

from __future__ import annotations

from pathlib import Path

from taskgate import Client
from taskgate.cli.tour.math_door import own_key
from tests.edge.client.live import LiveGateway


def test_one_key_for_every_start(gateway: LiveGateway, tmp_path: Path) -> None:
    file = tmp_path / "math.key"
    with Client(gateway.url, gateway.key("admin")) as client:
        first = own_key(file, client, url=gateway.url)
        assert file.stat().st_mode & 0o777 == 0o600
        assert own_key(file, client, url=gateway.url) == first
        (record,) = [key for key in client.keys.all() if key.name == "demo math service"]
        assert set(record.scopes) == {"register", "submit", "read"}
        client.keys.revoke(record.id)
        second = own_key(file, client, url=gateway.url)
    assert second not in ("", first)
    assert file.read_text().strip() == second
