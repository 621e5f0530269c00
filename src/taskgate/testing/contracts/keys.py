"""The contract of `KeyRing`: keys by id, revoked once, never forgotten.

Subclass it with a fixture `keyring`.
"""

from __future__ import annotations

from dataclasses import replace

from taskgate.identity.ports import KeyRecord, KeyRing


def record(key_id: str = "key000000001", **changes: object) -> KeyRecord:
    """A key with something in every field."""
    plain = KeyRecord(
        id=key_id,
        name="Büro ✓",
        kind="service",
        secret_sha256=bytes(range(32)),
        last4="ab-_",
        scopes=frozenset({"submit", "serve:*"}),
        site_id="site-a",
        user_id="user",
        app_id="app",
        created_at=1_700_000_000.123456,
        expires_at=1_800_000_000.5,
        rotated_from="key000000000",
        prefixes=("/v1/ai", "/intern"),
        worker_id="gpu-1",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class KeyRingContract:
    """Fixture: `keyring`, an empty KeyRing."""

    async def test_a_key_comes_back_as_it_was_saved(self, keyring: KeyRing) -> None:
        bare = record(
            "key000000002",
            expires_at=None,
            scopes=frozenset(),
            user_id="",
            prefixes=(),
            worker_id="",
            secret_sha256=b"\x00" * 32,
        )
        await keyring.save(record())
        await keyring.save(bare)
        assert await keyring.find("key000000001") == record()
        assert await keyring.find("key000000002") == bare

    async def test_an_unknown_key_is_none(self, keyring: KeyRing) -> None:
        await keyring.save(record())
        assert await keyring.find("KEY000000001") is None
        assert await keyring.find("") is None

    async def test_saving_again_replaces(self, keyring: KeyRing) -> None:
        await keyring.save(record())
        await keyring.save(record(name="new", expires_at=3.0))
        assert await keyring.all() == [record(name="new", expires_at=3.0)]

    async def test_saving_again_revives_nothing(self, keyring: KeyRing) -> None:
        """Whoever rotates a key read it before somebody else revoked it: INV-A5."""
        await keyring.save(record())
        await keyring.revoke("key000000001", 50.0)
        await keyring.save(record(expires_at=60.0))
        assert await keyring.find("key000000001") == record(expires_at=60.0, revoked_at=50.0)
        assert await keyring.all() == [record(expires_at=60.0, revoked_at=50.0)]

    async def test_all_keys_come_oldest_first_with_revoked_ones(self, keyring: KeyRing) -> None:
        young, old, twin = record("c", created_at=30.0), record("b", created_at=10.0), record("a", created_at=10.0)
        for item in (young, old, twin):
            await keyring.save(item)
        await keyring.revoke("b", 40.0)
        assert await keyring.all() == [twin, replace(old, revoked_at=40.0), young]

    async def test_a_key_is_revoked_once(self, keyring: KeyRing) -> None:
        """The first moment stays: INV-A5."""
        await keyring.save(record())
        assert await keyring.revoke("key000000001", 50.25) is True
        assert await keyring.revoke("key000000001", 60.0) is False
        assert await keyring.revoke("another", 60.0) is False
        found = await keyring.find("key000000001")
        assert found == record(revoked_at=50.25)
