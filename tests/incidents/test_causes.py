"""What made an instance go is named wherever its termination is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from terminator.report import events
from terminator.report.metrics import counts
from terminator.report.record import Record
from terminator_cli.history import life
from terminator_cli.report.page import page
from terminator_cli.report.timeline import timeline
from tests.incidents.fleets import BALANCED, NEW, Fleet, fleet, settings_of
from tests.incidents.test_recycling import TAG, fall_ill
from tests.incidents.test_templates import imaged

ALIAS = "resolve:ssm:/golden/web"


def released() -> Fleet:
    lives = fleet(3)
    lives.release(NEW)
    return lives


def of_another_version() -> Fleet:
    lives = imaged(3, **BALANCED)
    lives.cloud.make_version("lt-1")
    return lives


def of_another_image() -> Fleet:
    lives = imaged(3, tags=settings_of(images="true"), **BALANCED)
    lives.cloud.parameters[ALIAS] = "ami-a"
    lives.cloud.make_version("lt-1", image=ALIAS)
    lives.pass_hours(4)
    lives.cloud.parameters[ALIAS] = "ami-b"
    lives.forget()
    lives.cloud.lines.clear()
    return lives


def aged() -> Fleet:
    return fleet(3, days=40, tags=settings_of(max_age="30d"))


def tainted() -> Fleet:
    lives = fleet(3)
    lives.members()[0].labels[TAG] = (lives.cloud.now - timedelta(hours=1)).isoformat()
    return lives


def ill() -> Fleet:
    lives = fleet(5, tags=settings_of(ill="replace"), days=9)
    lives.pass_hours(1)
    fall_ill(lives)
    return lives


@dataclass(frozen=True)
class Told:
    """How a cause is told: by the reason, by the sentence about an instance, and by the page."""

    reason: str
    life: str
    page: str
    is_rollout: bool = True


CAUSES: dict[str, tuple[Callable[[], Fleet], Told]] = {
    "release": (
        released,
        Told("to prove 1.1.0", ", because it ran 1.0.0.", "1 instance was terminated,"),
    ),
    "template": (
        of_another_version,
        Told(
            "to prove lt-1:2, outdated by template",
            ", because it was launched from lt-1:1.",
            "(1 by template)",
        ),
    ),
    "image": (
        of_another_image,
        Told(
            "to prove lt-1:2 ami-b, outdated by image",
            ", because it was launched from lt-1:2 ami-a.",
            "(1 by image)",
        ),
    ),
    "age": (
        aged,
        Told(
            "is due, by its age", ", because it was due by its age.", "(1 by age)", is_rollout=False
        ),
    ),
    "taint": (
        tainted,
        Told(
            "is due, as its tag says",
            ", because it was due by its tag terminator:replace-after.",
            "(1 by taint)",
            is_rollout=False,
        ),
    ),
    "ill": (
        ill,
        Told(
            "is ill (connection refused)",
            ", because it was ill (connection refused).",
            "(1 by ill)",
            is_rollout=False,
        ),
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_told_by_records_log_events_metrics_history_and_report(cause: str) -> None:
    make, told = CAUSES[cause]
    lives = make()
    assert lives.hours_until(lambda: lives.lost > 0, 2) is not None
    [id_] = lives.lost_ids()
    record = replace(lives.record, at=lives.cloud.now)
    assert Record.from_json(record.to_json()).causes([id_]) == {cause: 1}
    assert told.reason in record.reason
    assert any(line.text.endswith(record.reason) for line in lives.cloud.lines)
    [event] = [json.loads(each["Detail"]) for each in events.of_records([record])]
    assert event["instances"][0]["id"] == id_
    assert event["instances"][0]["cause"] == cause
    by = {} if cause == "release" else {f"TerminatedBy{cause.title()}": 1}
    assert counts([record]) == {"Terminated": 1, **by, "Failed": 0}
    assert f"UTC{told.life}" in life(id_, [record])
    assert told.page in page([record])
    [group] = timeline([record]).groups
    assert bool(group.rollouts) == told.is_rollout
