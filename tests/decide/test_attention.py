"""Which holds need a person: each hold, when it is new and when it has lasted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest

from terminator.decide.holds import HOLDS
from terminator.decide.holds import hold as hold_of
from terminator.model import Decision, Figures, Group, HoldName, NoRelease, Preflight
from tests.decide.builders import decide, group, member, released, unasked

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

AT_ONCE = {
    "settings_unreadable",
    "processes_suspended",
    "weighted_capacity",
    "no_release",
    "release_in_future",
    "nothing_available",
    "all_protected",
    "alarm",
    "zip_unreadable",
}
AFTER_A_DAY = {
    "paused",
    "members_in_flight",
    "launched_lately",
    "no_budget",
    "instance_refresh",
    "group_changed",
    "instance_spared",
}
AFTER_A_WEEK = {"window_closed"}
# They end by themselves, or Overdue or Stale tells of what is behind them.
NEVER = {
    "deleting",
    "nothing_outdated",
    "baking",
    "proof_on_its_way",
    "canary_silent",
    "boots_stale",
    "presumed_waits",
}


def held(hold: HoldName, behind: timedelta | None, **more: Any) -> Decision:
    seen: dict[str, Any] = {"available": 2, "unavailable": 0, "in_flight": 1, "outdated": 2}
    seen |= {"minimum": 1, "source": "released", "stale": 0, "overdue": 0, **more}
    nothing: dict[str, Any] = dict.fromkeys(("target", "lowest", "highest", "since"))
    return hold_of(hold, "why", Figures(**seen, **nothing, behind=behind))


def test_every_hold_is_in_the_table_and_judged() -> None:
    judged = [AT_ONCE, AFTER_A_DAY, AFTER_A_WEEK, NEVER]
    assert sorted(name for names in judged for name in names) == sorted(get_args(HoldName))
    assert HOLDS.keys() == set(get_args(HoldName))


@pytest.mark.parametrize("hold", get_args(HoldName))
@pytest.mark.parametrize("behind", [None, HOUR, 2 * DAY, 9 * DAY])
def test_a_hold_needs_attention_when_its_patience_is_over(
    hold: HoldName, behind: timedelta | None
) -> None:
    lasted = behind or timedelta(0)
    late = (hold in AFTER_A_DAY and lasted > DAY) or (hold in AFTER_A_WEEK and lasted > 8 * DAY)
    assert held(hold, behind).needs_attention == (hold in AT_ONCE or late)


def test_what_is_no_hold_needs_no_attention() -> None:
    assert not decide(group(*PROVEN), minimum="1", max_unavailable="100%").needs_attention


def test_settings_that_cannot_be_read_need_attention_without_any_figures() -> None:
    assert hold_of("settings_unreadable", "why").needs_attention


@pytest.mark.parametrize(
    ("seen", "needs_attention"),
    [
        ({"in_flight": 0, "unavailable": 0}, True),
        ({"in_flight": 1, "unavailable": 0}, False),
        ({"in_flight": 0, "unavailable": 1}, False),
    ],
)
def test_a_minimum_that_leaves_a_whole_group_no_budget_needs_attention_at_once(
    seen: dict[str, int], *, needs_attention: bool
) -> None:
    assert held("no_budget", timedelta(0), **seen).needs_attention == needs_attention


OLD = [member("i-a", up=30), member("i-b", up=20)]
PROVEN = [*OLD, member("i-n", "1.0.274", up=10)]
SILENT = member("i-s", None, up=3)

NEW = released("2", since=9)
FAILED_BOOT = group(
    member("i-x", None, up=99), member("i-a", "2", up=9), released=released("2", since=50)
)
YOUNG = group(*OLD, member("i-n", "2", up=1), grace=5, released=released("2", since=2))

SEEN: list[tuple[Group, dict[str, str], HoldName]] = [
    (group(*PROVEN, status="Delete in progress"), {}, "deleting"),
    (group(*PROVEN), {"pause": "x"}, "paused"),
    (group(*PROVEN, suspended=frozenset({"Launch"})), {}, "processes_suspended"),
    (group(*PROVEN, capacity_type="vcpu"), {}, "weighted_capacity"),
    (group(*PROVEN, released=NoRelease("none")), {}, "no_release"),
    (group(*PROVEN, released=released("2", since=-9)), {}, "release_in_future"),
    (group(SILENT), {}, "nothing_available"),
    (group(member("i-a"), SILENT), {}, "nothing_outdated"),
    (group(member("i-a", up=9, protected=True), PROVEN[2]), {}, "all_protected"),
    (group(*PROVEN), {"bake_time": "1h"}, "baking"),
    (group(*OLD, unasked("i-p", "Pending"), released=NEW), {}, "members_in_flight"),
    (YOUNG, {}, "proof_on_its_way"),
    (group(*OLD, SILENT, released=NEW), {}, "canary_silent"),
    (group(*OLD, member("i-n", up=3), released=NEW), {}, "boots_stale"),
    (group(*OLD, member("i-n", "2", up=60)), {}, "launched_lately"),
    (group(*PROVEN), {"minimum": "3"}, "no_budget"),
    (FAILED_BOOT, {"minimum": "2"}, "presumed_waits"),
    (group(*PROVEN), {"window": "Sat-Sun 09:00-17:00 UTC"}, "window_closed"),
    (group(*PROVEN, guards=Preflight(refresh="Baking")), {}, "instance_refresh"),
    (group(*PROVEN, guards=Preflight(alarms=("x",))), {}, "alarm"),
    (group(*OLD, released=NEW, guards=Preflight(zip_problem="x")), {}, "zip_unreadable"),
]  # fmt: skip


@pytest.mark.parametrize(("of", "texts", "name"), SEEN, ids=[name for *_, name in SEEN])
def test_every_hold_of_a_plan_has_its_name(
    of: Group, texts: dict[str, str], name: HoldName
) -> None:
    decision = decide(of, **{"minimum": "1", "max_unavailable": "100%", **texts})
    assert (decision.kind, decision.hold) == ("hold", name)


def test_the_plans_that_have_names_are_all_but_those_made_while_acting() -> None:
    elsewhere = {"settings_unreadable", "group_changed", "instance_spared"}
    assert {name for *_, name in SEEN} == set(get_args(HoldName)) - elsewhere


def test_with_a_release_a_group_is_behind_since_it_became_the_target() -> None:
    figures = decide(group(*OLD, released=released("2", since=90))).figures
    assert figures is not None
    assert figures.behind == timedelta(minutes=90)


def test_without_a_release_a_group_is_behind_since_the_first_that_runs_the_target() -> None:
    figures = decide(group(*PROVEN)).figures
    assert figures is not None
    assert (figures.since, figures.behind) == (None, timedelta(minutes=10))


def test_a_rollback_that_nothing_dates_leaves_unknown_for_how_long_a_group_is_behind() -> None:
    figures = decide(group(*PROVEN, released=released("1.0.266", since=900, dated=False))).figures
    assert figures is not None
    assert figures.behind is None


@pytest.mark.parametrize(("up", "grace", "overdue"), [(29, 5, 0), (31, 5, 1), (31, 60, 0)])
def test_an_unreadable_instance_is_overdue_past_grace_and_canary_retry(
    up: float, grace: float, overdue: int
) -> None:
    figures = decide(group(member("i-a"), member("i-s", None, up=up), grace=grace)).figures
    assert figures is not None
    assert figures.overdue == overdue
