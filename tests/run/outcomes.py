"""Reading the outcomes of a run on the model of AWS."""

from __future__ import annotations

from terminator.report.record import Outcome
from tests.fakes.cloud import Cloud, FakeGroup, minutes

# Settings under which all that is outdated goes at once.
FREE = {"terminator:minimum": "0", "terminator:max-unavailable": "100%"}


def killed(cloud: Cloud) -> list[str]:
    """Return the groups that lost instances, in order."""
    return [group for _, group, _ in cloud.kills]


def reason_of(outcome: Outcome) -> str:
    """Return the reason of a decision."""
    assert outcome.decision is not None
    return outcome.decision.reason


def fail_to_observe(outcome: Outcome) -> str:
    """Return why a group failed; fail where it did not."""
    assert outcome.decision is None
    assert outcome.has_failed
    return outcome.error or ""


def proven(cloud: Cloud, group: FakeGroup) -> None:
    """Let the last member run the target for an hour."""
    cloud.wait(120)
    group.machines[-1].version = "1.0.274"
    group.machines[-1].launched = cloud.now - minutes(60)
