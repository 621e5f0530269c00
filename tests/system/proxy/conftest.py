"""One recording upstream, our gateway and nginx in front of it, for all differential tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.proxy.fronts import Front, nginx_front, taskgate_front
from tests.system.proxy.recorder import Recorder, recording


@pytest.fixture(scope="package")
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


@pytest.fixture(scope="package")
def ours(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with taskgate_front(tmp_path_factory.mktemp("ours"), {"up": recorder.port}) as front:
        yield front


@pytest.fixture(scope="package")
def theirs(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with nginx_front(tmp_path_factory.mktemp("theirs"), ("up", recorder.port)) as front:
        yield front
