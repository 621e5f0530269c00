"""Identity lines: signed once a minute for each caller and service, the same bytes in between."""

from __future__ import annotations

from taskgate.identity.principal import Principal
from taskgate.identity.signing import IdentitySigner
from taskgate.proxy.vouching import LASTS_S, REMEMBERED, Vouching
from taskgate.service import verify_identity

WHO = Principal(id="k", name="n", site_id="acme", user_id="u 1")


class Counting(IdentitySigner):
    """Counts what it signed."""

    count = 0

    def signature(self, secret: str, values: object, *, at: int) -> bytes:
        self.count += 1
        return b"v1,t=%d,%d" % (at, self.count)


def test_signed_once_a_minute_for_each_caller_and_service() -> None:
    signer = Counting()
    vouching = Vouching(signer)
    first = vouching.lines(("acme", "shop"), WHO, now=5.0)
    assert first.startswith(b"x-site-id: acme\r\nx-user-id: u%201\r\nx-taskgate-identity: v1,t=")
    assert vouching.lines(("acme", "shop"), WHO, now=5.0 + LASTS_S - 1) is first
    assert signer.count == 1
    vouching.lines(("acme", "till"), WHO, now=5.0)
    vouching.lines(("acme", "shop"), Principal(id="k", name="n", site_id="acme"), now=5.0)
    vouching.lines(("acme", "shop"), WHO, now=5.0 + LASTS_S)
    assert signer.count == 4


def test_many_callers_take_no_more_room() -> None:
    vouching = Vouching()
    for number in range(REMEMBERED + 1):
        vouching.lines(("", "s"), Principal(id="k", name="n", user_id=str(number)), now=0.0)
    assert len(vouching._known) == 1


def test_nothing_is_signed_without_a_signer() -> None:
    assert b"taskgate" not in Vouching().lines(("", "s"), WHO, now=0.0)
    assert Vouching().signed(("", "s"), []) == b""


def test_headers_that_stand_already_are_signed_alike() -> None:
    vouching = Vouching(IdentitySigner(b"r" * 32))
    told = [(b"x-site-id", b"acme"), (b"x-user-id", b"u%201"), (b"accept", b"a")]
    line = vouching.signed(("acme", "shop"), told).decode().strip()
    headers = {name.decode(): value.decode() for name, value in told}
    headers["x-taskgate-identity"] = line.removeprefix("x-taskgate-identity: ")
    secret = IdentitySigner(b"r" * 32).secret_of("shop", site_id="acme")
    assert verify_identity(headers, secret).user_id == "u%201"
