"""Path templates: no patterns, no escapes, no dot segments; and what is the gateway's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import InvalidInput
from taskgate.routes.paths import (
    RESERVED_HEADS,
    RESERVED_V1,
    checked_template,
    is_below,
    is_reserved,
    is_wide,
    joined,
    normalised,
    variables_of,
)


@pytest.mark.parametrize(
    "template",
    [
        "/", "/a", "/a/", "/v1/ai/math/add", "/{x}", "/a/{x}/b/{y_2}", "/files/{rest:path}", "/a.b-c~d_e", "/a:batch",
        "/$metadata", "/@me", "/" + "a" * 511, "/" + "/".join("a" * 32),
    ],
)  # fmt: skip
def test_templates(template: str) -> None:
    assert checked_template(template, "/x") == template


@pytest.mark.parametrize(
    "template",
    [
        "", "a", "a/b", "//", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/%2e%2e/a", "/a%2Fb", "/a\\b", "/a?b", "/a#b",
        "/a b", "/a\tb", "/a\r\nX: y", "/a\x00", "/ä", "/(a+)+$", "/a*", "/[a-z]", "/a|b", "/^a", "/a;b=c", "/<x>",
        "/{", "/{}", "/{x", "/x}", "/{x}y", "/y{x}", "/{x}{y}", "/{x:int}", "/{x:path}/b", "/{x:path}/", "/{1}",
        "/{x}/{x}", "/{a b}", "/{" + "x" * 65 + "}", "/" + "a" * 512, "/a" * 33, "/{x:.*}", "http://a/b",
    ],
)  # fmt: skip
def test_what_is_no_template(template: str) -> None:
    """S17, S35."""
    with pytest.raises(InvalidInput) as refused:
        checked_template(template, "/routes/3/gateway_path")
    assert (refused.value.code, refused.value.extra["path"]) == ("BAD_PATH", "/routes/3/gateway_path")
    assert refused.value.detail.isprintable()


@given(st.text(max_size=40))
def test_whatever_is_accepted_can_be_read_in_one_way(text: str) -> None:
    try:
        template = checked_template("/" + text, "/x")
    except InvalidInput:
        return
    assert template.isascii()
    assert template.isprintable()
    assert not set(template) & set('%\\?#;<>"^`|*()[]+ ')
    assert "//" not in template
    assert not {".", ".."} & set(template.split("/"))


def test_names_of_variables_do_not_matter() -> None:
    assert normalised("/a/{x}/{r:path}") == normalised("/a/{y}/{s:path}") == "/a/{}/{:path}"
    assert normalised("/a/b") == "/a/b"
    assert variables_of("/a/{x}/b/{r:path}") == ["x", "r:path"]
    assert (joined("/p", "/"), joined("/p", "/a"), joined("", "/"), joined("", "/a")) == ("/p", "/p/a", "/", "/a")


def test_the_gateways_own_paths() -> None:
    own = [*(f"/{head}" for head in RESERVED_HEADS), *(f"/v1/{name}" for name in RESERVED_V1), "/api/v1/ws"]
    for path in own:
        assert is_reserved(path)
        assert is_reserved(path + "/x/y")
        assert is_reserved(path + "/{x:path}")
        assert not is_reserved(path + "x")
    for path in ("/", "/v1", "/v1/ai/math/add", "/api", "/api/v1", "/api/v1/wsx", "/{x}", "/v2/tasks", "/Docs"):
        assert not is_reserved(path)


@pytest.mark.parametrize(
    "template",
    [
        "/", "/{x}", "/{x:path}", "/{x}/tasks", "/v1/{x}", "/v1/{x:path}", "/v1/{x}/a", "/api/{x:path}", "/api/{x}/ws",
        "/api/v1/{x}", "/{a}/{b}", "/{x}/nobody",
    ],
)  # fmt: skip
def test_wide_paths(template: str) -> None:
    assert is_wide(template)


@pytest.mark.parametrize(
    "template",
    ["/a", "/a/{x}", "/a/{x:path}", "/v1/ai/{x:path}", "/v1", "/api/v2/{x}", "/api/{x}", "/v2/{x}"],
)
def test_paths_that_are_not_wide(template: str) -> None:
    assert not is_wide(template)


def test_below() -> None:
    assert is_below("/a", ("/a",))
    assert is_below("/a/b", ("/x", "/a"))
    assert not is_below("/ab", ("/a",))
    assert not is_below("/", ("/a",))
    assert not is_below("/a", ())
