"""Settings: which source wins, what is refused, what is never shown."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.config import Settings, describe, is_loopback, load, unused
from taskgate.config.fields import COMPATIBLE
from taskgate.config.sources import UNUSED
from taskgate.errors import InvalidInput


def refusal(**sources: Any) -> InvalidInput:
    """The error of a tree that must not load."""
    with pytest.raises(InvalidInput) as caught:
        load(**{"env": {}, **sources})
    assert caught.value.code == "SETTINGS_INVALID"
    return caught.value


def test_nothing_given_is_the_defaults() -> None:
    assert load(env={}) == Settings()
    assert load(env={}).database_url == "sqlite:.taskgate"


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    """Defaults < older names < file < TASKGATE_* < flags."""
    file = tmp_path / "gate.toml"
    file.write_text("[grpc]\nport = 3\n")
    older, ours = {"GRPC_PORT": "2"}, {"TASKGATE_GRPC__PORT": "4"}
    assert load(env={}).grpc.port == 50051
    assert load(env=older).grpc.port == 2
    assert load(file=file, env=older).grpc.port == 3
    assert load(env={**older, "APP_CONFIG": str(file)}).grpc.port == 3
    assert load(file=file, env={**older, **ours}).grpc.port == 4
    assert load({"grpc.port": 5}, file, env={**older, **ours}).grpc.port == 5
    assert load({"grpc.port": None}, file, env={**older, **ours}).grpc.port == 4


def test_yaml_is_read_as_well(tmp_path: Path) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text("http:\n  cors_origins: [https://a.example, https://b.example]\nlog: {level: debug}\n")
    settings = load(file=file, env={})
    assert settings.http.cors_origins == ("https://a.example", "https://b.example")
    assert settings.log.level == "debug"


def test_texts_become_what_the_setting_is() -> None:
    env = {
        "TASKGATE_GRPC__ENABLED": "false",
        "TASKGATE_HTTP__CORS_ORIGINS": "https://a.example, https://b.example",
        "TASKGATE_RUNS__LEASE_S": "45.5",
        "DATABASE_URL": "memory:",
    }
    settings = load(env=env)
    assert (settings.grpc.enabled, settings.runs.lease_s, settings.database_url) == (False, 45.5, "memory:")
    assert len(settings.http.cors_origins) == 2


@pytest.mark.parametrize(
    ("env", "meant"),
    [
        ({"TASKGATE_HTTP__PROT": "1"}, "TASKGATE_HTTP__PORT"),
        ({"TASKGATE_GRCP__PORT": "1"}, "TASKGATE_GRPC__PORT"),
        ({"TASKGATE_DATADIR": "x"}, "TASKGATE_DATA_DIR"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(env: dict[str, str], meant: str) -> None:
    error = refusal(env=env)
    assert f"did you mean {meant}?" in error.detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[htpp]\nport = 1\n", "did you mean http?"),
        ("[http]\nprot = 1\n", "did you mean http.port?"),
        ("http = 3\n", "http in gate.toml is a section"),
        ('[http]\nport = "1"\n', "http.port in gate.toml: expected `int`"),
        ("[http\n", "not valid TOML"),
    ],
)
def test_a_file_is_read_strictly(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(text)
    assert words in refusal(file=file).detail


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot read" in refusal(file=tmp_path / "gate.toml").detail
    assert "neither .toml nor .yaml" in refusal(env={"APP_CONFIG": __file__}).detail


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"TASKGATE_HTTP__PORT": "70000"}, "http.port"),
        ({"TASKGATE_HTTP__PORT": "-1"}, "http.port"),
        ({"TASKGATE_HTTP__PORT": "many"}, "http.port"),
        ({"TASKGATE_RUNS__LEASE_S": "nan"}, "runs.lease_s"),
        ({"TASKGATE_RUNS__LEASE_S": "inf"}, "runs.lease_s"),
        ({"TASKGATE_RUNS__LEASE_S": "-5"}, "runs.lease_s"),
        ({"TASKGATE_RUNS__LEASE_S": "19"}, "runs.lease_s"),
        ({"TASKGATE_LINK__DEAD_AFTER_S": "15"}, "link.dead_after_s"),
        ({"TASKGATE_LINK__MAX_FRAME_BYTES": "800000"}, "link.max_frame_bytes"),
        ({"TASKGATE_HTTP__MAX_BODY_BYTES": "2000"}, "http.max_body_bytes"),
        ({"TASKGATE_HTTP__PORT": "50051"}, "grpc.port"),
        ({"TASKGATE_LOG__LEVEL": "loud"}, "log.level"),
        ({"DATABASE_URL": "mysql://u:pw@h/db"}, "database.url"),
        ({"DATABASE_URL": "postgresql://u:hunter/2@h/db"}, "database.url"),
        ({"TASKGATE_ARCHIVE__URL": "mysql://u:hunter/2@h/db"}, "archive.url"),
        ({"REDIS_URL": "redis://u:hunter@h:99999/0"}, "redis.url"),
        ({"TASKGATE_STREAMS__URL": "redis://u:hunter#@h/0"}, "streams.url"),
        ({"TASKGATE_STREAMS__URL": "hunter"}, "streams.url"),
        ({"TASKGATE_REACH__NETWORKS": "auto, 10.0.0.1/8"}, "reach.networks"),
        ({"TASKGATE_REACH__NETWORKS": "169.254.0.0/16"}, "reach.networks"),
        ({"TASKGATE_REACH__PORTS": "0"}, "reach.ports"),
        ({"TASKGATE_REACH__HTTP_HOSTS": "http://a.example"}, "reach.http_hosts"),
    ],
)
def test_what_could_not_work_is_refused_and_named(env: dict[str, str], path: str) -> None:
    refused = refusal(env=env)
    assert refused.extra == {"path": path}
    assert "hunter" not in str(refused), "a piece of a password is told"


@pytest.mark.parametrize("door", ["HTTP", "GRPC"])
def test_no_authentication_only_on_loopback(door: str) -> None:
    """S34: a gateway that others can reach asks everybody who they are."""
    env = {"AUTH_ENABLED": "false", f"TASKGATE_{door}__HOST": "0.0.0.0"}
    assert refusal(env=env).extra == {"path": "auth.enabled"}
    assert not load(env={"AUTH_ENABLED": "false"}).auth.enabled


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("gate.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_loopback(host: str, *, is_it: bool) -> None:
    assert is_loopback(host) is is_it


def test_other_peoples_variables_are_left_alone() -> None:
    assert load(env={"TASKGATE_URL": "x", "TASKGATE_API_KEY": "y", "PORT": "z", "GRPC_PORT": ""}) == Settings()


def test_names_without_effect_are_told() -> None:
    """They load, and `taskgate check` says so; a name with an effect is not among them."""
    env = {
        "GRPC_MAX_WORKERS": "10",
        "RATE_LIMIT_RATE": "50/s",
        "GATEWAY__INTERNAL_API_KEY": "pw",
        "GATEWAY__REQUEST_TIMEOUT": "5",
        "GRPC_PORT": "1",
    }
    assert (load(env=env).grpc.port, load(env=env).grpc.rate_limit_rate) == (1, 50.0)
    told = unused({**env, "GATEWAY__AGENT_URL": ""})
    assert set(told) == {"GRPC_MAX_WORKERS", "GATEWAY__INTERNAL_API_KEY", "GATEWAY__REQUEST_TIMEOUT"}
    assert "pw" not in str(told)
    assert not set(UNUSED) & set(COMPATIBLE)


def test_secrets_print_as_stars() -> None:
    """INV-A6: neither the tree nor its description nor a refusal shows a password."""
    url = "sqlite:data?password=hunter2&x=1"
    settings = load(env={"DATABASE_URL": url})
    assert settings.database_url == url
    texts = [repr(settings), *(repr(field) for field in describe(settings))]
    texts.append(str(refusal(env={"DATABASE_URL": "mysql://me:hunter2@h/db"})))
    assert not any("hunter2" in text for text in texts)
    assert "******" in texts[0]


def test_every_setting_says_what_it_is() -> None:
    """Purpose, default and unit are the docstring's: a field without a line there would have none."""
    fields = describe()
    assert len(fields) > 20
    for field in fields:
        assert "efault" in field.description, field.path
        assert field.environment == "TASKGATE_" + field.path.upper().replace(".", "__")
        assert field.type_text.startswith("list") or load(env={field.environment: field.default}) == Settings()


@given(st.dictionaries(st.text(max_size=12).map("TASKGATE_".__add__), st.text(max_size=12), max_size=3))
def test_any_environment_loads_or_is_refused(env: dict[str, str]) -> None:
    """Never anything but our own refusal."""
    with suppress(InvalidInput):
        load(env=env)
