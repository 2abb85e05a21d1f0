"""What doctor says of apps whose releases are to be taken back by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from terminator.config.deployment import Withdraw
from terminator_cli.doctor.findings import Unseen
from terminator_cli.doctor.withdrawals import check
from tests.decide.builders import policy

HOW = Withdraw(silent=True, alarms=("5xx",))
ON: Mapping[str, Any] = {"Status": "Enabled"}
THERE = {"5xx": "OK"}


def told(
    how: Withdraw = HOW,
    versioning: Mapping[str, Any] | Unseen = ON,
    states: Mapping[str, Any] | Unseen = THERE,
    **texts: str,
) -> list[tuple[str, str]]:
    return [(e.level, e.seen) for e in check("web", how, versioning, states, [policy(**texts)])]


def test_where_nothing_is_in_the_way_it_says_for_what_a_release_is_taken_back() -> None:
    said = "its newest release is taken back for a silent canary or 5xx"
    assert told() == [("ok", said)]
    alone = told(Withdraw(alarms=("5xx",)))
    assert alone == [("ok", "its newest release is taken back for 5xx")]


@pytest.mark.parametrize("versioning", [{}, {"Status": "Suspended"}])
def test_a_bucket_without_versioning_is_a_problem(versioning: Mapping[str, Any]) -> None:
    said = "its releases cannot be taken back: the bucket's versioning is not enabled"
    assert told(versioning=versioning) == [("problem", said)]


def test_an_alarm_that_does_not_exist_is_a_problem() -> None:
    assert told(states={}) == [("problem", "5xx does not exist, so it takes nothing back")]


def test_a_group_that_follows_its_template_is_a_problem() -> None:
    [(level, seen)] = told(follow="release template")
    assert level == "problem"
    assert seen.startswith("a group of it follows its launch template")


def test_an_app_that_no_group_serves_is_a_problem() -> None:
    [found] = check("web", HOW, ON, THERE, [])
    assert found.seen == "no group of web has opted in, so nothing of it is taken back"


def test_alarms_that_cannot_be_asked_are_not_checked() -> None:
    assert told(states=Unseen("AccessDenied")) == [("warning", "not checked: AccessDenied")]
