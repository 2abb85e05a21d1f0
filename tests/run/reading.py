"""Reading the records of a run on the model of AWS."""

from __future__ import annotations

from terminator.report.record import Record
from tests.fakes.cloud import Cloud, FakeGroup, minutes

# Settings under which all that is outdated goes at once.
FREE = {"terminator:minimum": "0", "terminator:max-unavailable": "100%"}


def killed(cloud: Cloud) -> list[str]:
    """Return the groups that lost instances, in order."""
    return [group for _, group, _ in cloud.kills]


def reason_of(record: Record) -> str:
    """Return the reason of a decision; fail where there is none."""
    assert record.decision is not None
    return record.reason


def fail_to_observe(record: Record) -> str:
    """Return why a group failed; fail where it did not."""
    assert record.decision is None
    assert record.has_failed
    return record.reason


def proven(cloud: Cloud, group: FakeGroup) -> None:
    """Let the last member run the target for an hour."""
    cloud.wait(120)
    group.machines[-1].version = "1.0.274"
    group.machines[-1].launched = cloud.now - minutes(60)
