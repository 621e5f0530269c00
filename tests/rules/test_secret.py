"""Secrets are ordinary strings to code and stars to people."""

from __future__ import annotations

import pytest

from taskgate.secret import Secret, Url, masked


def test_a_secret_prints_as_stars() -> None:
    secret = Secret("hunter2")
    assert secret == "hunter2"
    assert f"{secret!r} {[secret]} { ({'a': secret}) }".count("hunter2") == 0
    assert repr(Secret("")) == "''"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pw@h:6379/0", "redis://:******@h:6379/0"),
        ("postgresql://me:p:w@h/db", "postgresql://me:******@h/db"),
        ("postgresql://me:p@w@h/db?x=a@b", "postgresql://me:******@h/db?x=a@b"),
        ("postgresql://me:p/w@h/db", "postgresql://me:******@h/db"),
        ("s3://h/b?secret_key=abc&region=x", "s3://h/b?secret_key=******&region=x"),
        ("sqlite:x?PASSWORD=abc", "sqlite:x?PASSWORD=******"),
        ("sqlite:.taskgate", "sqlite:.taskgate"),
        ("https://gate.example/a@b", "https://gate.example/a@b"),
    ],
)
def test_a_url_hides_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert repr(Url(url)) == repr(shown)
