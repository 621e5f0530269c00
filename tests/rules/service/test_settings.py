"""Where a service's settings come from, and what is said about those that cannot work."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate.service.settings import ServiceSettings, find_settings, slug


def test_the_author_wins_over_the_environment_over_defaults() -> None:
    env = {"SERVICE_NAME": "from-env", "GATEWAY_URL": "http://gate:1/", "REGISTER_RETRIES": "7", "REGISTER_DELAY": "2"}
    found = find_settings(env, title="My App", name="mine", prefix="/v1/ai/")
    assert (found.name, found.gateway_url, found.prefix) == ("mine", "http://gate:1", "/v1/ai")
    assert (found.retries, found.delay_s, found.base_url) == (7, 2.0, "http://127.0.0.1:8000")
    assert find_settings(env, title="My App").name == "from-env"
    assert find_settings({}, title="My App (beta)").name == "my-app-beta"


def test_an_empty_gateway_is_no_gateway_even_beside_the_environment() -> None:
    env = {"GATEWAY_URL": "http://gate"}
    assert find_settings(env).is_wanted
    assert not find_settings(env, gateway_url="").is_wanted
    assert not find_settings({"GATEWAY_URL": ""}).is_wanted


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "inf"])
def test_numbers_that_are_none_are_passed_over(text: str) -> None:
    found = find_settings({"REGISTER_RETRIES": text, "REGISTER_DELAY": text})
    assert (found.retries, found.delay_s) == (5, 1.0)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"name": ""}, "SERVICE_NAME"),
        ({"base_url": "127.0.0.1:8000"}, "SERVICE_BASE_URL"),
        ({"gateway_url": "http://:1"}, "GATEWAY_URL"),
        ({"gateway_url": "http://host:abc"}, "GATEWAY_URL"),
        ({"base_url": "http://gate"}, "gateway's own address"),
        ({"prefix": "v1"}, "GATEWAY_PREFIX"),
    ],
)
def test_what_cannot_work_is_named(changed: dict[str, str], word: str) -> None:
    good: dict[str, Any] = {"name": "a", "base_url": "http://a", "gateway_url": "http://gate"}
    assert find_settings({}, **good).complaint() == ""
    assert word in find_settings({}, **{**good, **changed}).complaint()


def test_the_key_is_never_printed() -> None:
    assert "tg_secret" not in repr(find_settings({"TASKGATE_API_KEY": "tg_secret"}))
    assert "hunter2" not in find_settings({}, name="a", gateway_url="ftp://u:hunter2@h").complaint()


def test_titles_become_names() -> None:
    assert [slug(title) for title in ("Math Service", "  A/B  ", "数学", "v1.2")] == ["math-service", "a-b", "", "v1.2"]
    assert ServiceSettings().name == ""
