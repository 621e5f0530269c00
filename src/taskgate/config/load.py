"""Reading the tree: collect what the sources say, convert each value once, check the whole.

A value is judged under the name it was given by, so that a refusal names what has to be changed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec

from taskgate.config.fields import describe
from taskgate.config.sources import Given, from_compatible, from_environment, from_file, from_flags, refused
from taskgate.config.tree import Settings, check
from taskgate.errors import InvalidInput


def load(
    flags: Mapping[str, Any] | None = None,
    file: str | Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """The settings, from flags by path (`{"http.port": 8080}`, None = not given), one file and the environment.

    Without `file` the variable APP_CONFIG names it. Raises InvalidInput (SETTINGS_INVALID) that names the source.
    """
    env = os.environ if env is None else env
    types = {field.path: field.type for field in describe()}
    file = file or env.get("APP_CONFIG") or None
    given: list[Given] = [*from_compatible(env)]
    if file is not None:
        given += from_file(Path(file), types)
    given += from_environment(env, types)
    given += from_flags(flags or {}, types)
    settings = _tree(given, types)
    check(settings)
    return settings


def packed(settings: Settings) -> dict[str, Any]:
    """The whole tree as plain values, secrets included: for another process of this gateway, over a pipe."""
    plain: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=str)
    return plain


def unpacked(plain: Mapping[str, Any]) -> Settings:
    """The tree that `packed` took apart."""
    return msgspec.convert(plain, Settings, dec_hook=_text_kind)


def _tree(given: Iterable[Given], types: Mapping[str, Any]) -> Settings:
    tree: dict[str, Any] = {}
    for item in given:
        *sections, leaf = item.path.split(".")
        node = tree
        for name in sections:
            node = node.setdefault(name, {})
        node[leaf] = _converted(item, types[item.path])
    return msgspec.convert(tree, Settings, dec_hook=_text_kind)


def _converted(item: Given, wanted: Any) -> Any:
    value = item.value
    if item.is_text and get_origin(wanted) is tuple and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        converted = msgspec.convert(value, wanted, strict=not item.is_text, dec_hook=_text_kind)
    except msgspec.ValidationError as error:
        raise _bad_value(item, error) from error
    if isinstance(converted, int | float) and not 0 <= converted < math.inf:
        raise refused(f"{item.source}: must be zero or a positive, finite number", item.path)
    return converted


def _bad_value(item: Given, error: msgspec.ValidationError) -> InvalidInput:
    reason = str(error)[:1].lower() + str(error)[1:]
    return refused(f"{item.source}: {reason}", item.path)


def _text_kind(kind: type, value: Any) -> Any:
    """Builds `Secret` and `Url` from a text, for msgspec."""
    if not isinstance(value, str):
        raise TypeError(f"expected `str`, got `{type(value).__name__}`")
    return kind(value)
