"""The text of a key: one shape, and nothing else is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.identity.keytext import KEY_LENGTH, digest_of_secret, holds_key, new_key, parse_key, starred


def test_a_new_key_reads_back() -> None:
    key_id, secret, text = new_key()
    assert text == f"tg_{key_id}_{secret}"
    assert len(text) == KEY_LENGTH
    assert parse_key(text) == (key_id, secret)
    assert len(digest_of_secret(secret)) == 32


def test_keys_differ() -> None:
    assert len({new_key()[2] for _ in range(200)}) == 200


@given(st.text(max_size=80))
def test_other_texts_are_no_keys(text: str) -> None:
    found = parse_key(text)
    assert found is None or f"tg_{found[0]}_{found[1]}" == text


@given(st.integers(0, KEY_LENGTH - 1), st.characters())
def test_a_changed_character_is_another_key_or_none(place: int, char: str) -> None:
    text = new_key()[2]
    changed = text[:place] + char + text[place + 1 :]
    assert parse_key(changed) != parse_key(text) or changed == text


def test_secrets_are_starred_inside_other_text() -> None:
    key_id, secret, text = new_key()
    line = f"GET /x?y={text}&z=1"
    assert holds_key(line)
    assert secret not in starred(line)
    assert key_id in starred(line)
    assert not holds_key(starred(line))
