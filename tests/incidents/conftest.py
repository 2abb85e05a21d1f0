"""What the incidents share: hours pass fast where no threads are started for each run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.incidents.fleets import in_one_thread


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with in_one_thread():
        yield
