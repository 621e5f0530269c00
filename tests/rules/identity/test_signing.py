"""Secrets of services and signatures: the same every time, another for everybody else."""

from __future__ import annotations

from taskgate.identity.signing import IdentitySigner

ROOT = b"r" * 32


def test_a_secret_is_made_again_and_is_nobody_elses() -> None:
    made = IdentitySigner(ROOT).secret_of("shop", site_id="acme")
    assert made == IdentitySigner(ROOT).secret_of("shop", site_id="acme")
    others = {
        IdentitySigner(ROOT).secret_of("shop", site_id="globex"),
        IdentitySigner(ROOT).secret_of("sho", site_id="acmep"),
        IdentitySigner(b"s" * 32).secret_of("shop", site_id="acme"),
        IdentitySigner().secret_of("shop", site_id="acme"),
    }
    assert len(others) == 4
    assert made not in others
    assert made.startswith("tgi_")


def test_another_root_is_used_from_then_on() -> None:
    signer = IdentitySigner()
    signer.use(ROOT)
    assert signer.secret_of("shop", site_id="acme") == IdentitySigner(ROOT).secret_of("shop", site_id="acme")


def test_a_signature_covers_every_value_and_the_moment() -> None:
    signer = IdentitySigner(ROOT)
    seen = {
        signer.signature("tgi_a", values, at=at)
        for values, at in (
            ((b"a", b"b", b"c"), 1), ((b"a", b"b", b"c"), 2), ((b"a.b", b"", b"c"), 1), ((b"a", b".b", b"c"), 1),
            ((b"", b"a", b"b"), 1),
        )
    }  # fmt: skip
    assert len(seen) == 5
    assert all(value.startswith(b"v1,t=") for value in seen)
