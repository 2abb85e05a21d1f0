"""What tests of real I/O share: a fleet on loopback."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings

from sandbox import fleet, local_aws
from sandbox.fleet import Fleet
from sandbox.local_aws import LocalAws

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("unhurried", parent=settings(), deadline=None)
# A few examples, always the same: `make mutants` runs them thousands of times.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("unhurried"),
    derandomize=True,
    database=None,
    max_examples=30,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unhurried"))


@pytest.fixture(autouse=True)
def only_local_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests from ever reaching a real account."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture(scope="session")
def shared_aws() -> Iterator[LocalAws]:
    """Run a local AWS for all tests of a worker that take a fleet of their own, one at a time."""
    with local_aws.started() as local:
        yield local


@pytest.fixture
def empty_fleet(shared_aws: LocalAws) -> Iterator[Fleet]:
    """Run a fleet without groups."""
    with fleet.running(on=shared_aws) as running:
        yield running


@pytest.fixture
def old_fleet(shared_aws: LocalAws) -> Iterator[Fleet]:
    """Run the demo's two groups on their old release; the clock begins at the real time."""
    with fleet.running(ahead=fleet.SETTLED, on=shared_aws) as running:
        fleet.prepare(running)
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose tests take longest, so that none of them is left at the end."""
    items.sort(key=lambda item: item.path.parent.name not in {"sandbox", "search"})


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what was imported: it would look through it at each pass."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have to tell besides that they passed."""
    for report in terminalreporter.getreports("passed"):
        for what, told in report.user_properties:
            terminalreporter.write_line(f"\n{what}\n{told}")
