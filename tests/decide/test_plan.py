"""Who goes, how many, and in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from terminator.decide.group_state import GroupState
from terminator.model import Figures, Group, NoRelease, Preflight
from terminator.version import Version
from tests.decide.builders import NOW, ago, decide, group, member, policy, released, unasked

ALL_AT_ONCE = {"minimum": "1", "max_unavailable": "100%"}


def three() -> Group:
    return group(
        member("i-01eb1b24b1e5d8a3e", "1.0.266", up=30),
        member("i-0ae0fbd754e6d71d9", "1.0.266", up=20),
        member("i-0c0ffee0c0ffee0c0", "1.0.274", up=10),
    )


@pytest.mark.parametrize(
    ("texts", "to_terminate"),
    [
        (ALL_AT_ONCE, ("i-01eb1b24b1e5d8a3e", "i-0ae0fbd754e6d71d9")),
        ({"minimum": "2", "max_unavailable": "100%"}, ("i-01eb1b24b1e5d8a3e",)),
        ({"minimum": "3", "max_unavailable": "100%"}, ()),
        ({}, ("i-01eb1b24b1e5d8a3e",)),
    ],
)
def test_outdated_instances_go_down_to_the_minimum(
    texts: dict[str, str], to_terminate: tuple[str, ...]
) -> None:
    decision = decide(three(), **texts)
    assert decision.to_terminate == to_terminate
    assert decision.kind == ("replace" if to_terminate else "hold")


@pytest.mark.parametrize(
    ("minimum", "reason"),
    [
        ("1", "2 of 2 outdated instances fit the budget"),
        ("2", "1 of 2 outdated instances fits the budget"),
    ],
)
def test_the_reason_to_replace_counts_what_fits_the_budget(minimum: str, reason: str) -> None:
    assert decide(three(), minimum=minimum, max_unavailable="100%").reason == reason


def test_the_lowest_versions_go_first_whenever_they_were_launched() -> None:
    mixed = group(
        member("i-a", "1.2.0", up=40),
        member("i-b", "1.0.0", up=30),
        member("i-c", "1.1.0", up=20),
        member("i-d", "2.0.0", up=10),
    )
    assert decide(mixed, minimum="2", max_unavailable="100%").to_terminate == ("i-b", "i-c")


def test_above_the_target_the_highest_go_first_then_below_it_the_lowest() -> None:
    mixed = group(
        member("i-a", "1.0.0", up=60),
        member("i-b", "4.0.0", up=50),
        member("i-c", "3.0.0", up=40),
        member("i-d", "1.1.0", up=30),
        member("i-e", "2.0.0", up=20),
        released=released("2.0.0", since=25),
    )
    assert decide(mixed, minimum="0", max_unavailable="100%").to_terminate == (
        "i-b",
        "i-c",
        "i-a",
        "i-d",
    )


def test_of_one_version_the_zone_with_most_available_left_gives_first() -> None:
    zoned = group(
        member("i-a1", up=90, zone="a"),
        member("i-b1", up=80, zone="b"),
        member("i-b2", up=70, zone="b"),
        member("i-b3", up=60, zone="b"),
        member("i-n", "1.0.274", up=10, zone="c"),
    )
    assert decide(zoned, minimum="1", max_unavailable="100%").to_terminate == (
        "i-b1",
        "i-b2",
        "i-a1",
        "i-b3",
    )


def test_of_one_version_and_zone_the_oldest_goes_first_and_then_the_lowest_id() -> None:
    twins = group(
        member("i-c", up=50),
        member("i-b", up=50),
        member("i-a", up=40),
        member("i-n", "1.0.274", up=10),
    )
    assert decide(twins, minimum="0", max_unavailable="100%").to_terminate == ("i-b", "i-c", "i-a")


def test_without_a_bucket_the_target_is_the_highest_version_available() -> None:
    figures = decide(three()).figures
    assert figures is not None
    assert (str(figures.target), figures.source) == ("1.0.274", "highest")


def test_a_released_target_makes_any_other_version_outdated() -> None:
    rolled_back = group(
        member("i-a", "1.0.274", up=60),
        member("i-b", "1.0.266", up=20),
        released=released("1.0.266", since=30),
    )
    assert decide(rolled_back, **ALL_AT_ONCE).to_terminate == ("i-a",)


@pytest.mark.parametrize(
    ("running", "target", "outdated"),
    [("1.0+a", "1.0", 0), ("1.0", "1.0+a", 0), ("1.0+a", "1.0+a", 0), ("1.0+b", "1.0+a", 1)],
)
def test_build_metadata_counts_only_where_both_sides_have_it(
    running: str, target: str, outdated: int
) -> None:
    built = group(member("i-a", running), released=released(target, since=30))
    figures = decide(built).figures
    assert figures is not None
    assert figures.outdated == outdated


def test_spellings_of_one_version_are_one_release() -> None:
    spelled = group(member("i-a", "v1.2"), member("i-b", "1.2.0"))
    assert decide(spelled).kind == "converged"


def test_desired_capacity_that_drops_lowers_what_may_go() -> None:
    """Auto Scaling is about to remove four of these itself."""
    shrinking = [member(f"i-{n}", up=100 - n) for n in range(5)]
    of = group(*shrinking, member("i-n", "1.0.274", up=10), desired=2)
    assert decide(of, **ALL_AT_ONCE).to_terminate == ("i-0",)


@pytest.mark.parametrize(
    "other",
    [
        unasked("i-x", "Pending"),
        unasked("i-x", "Pending:Wait"),
        unasked("i-x", "InService", "Unhealthy"),
        unasked("i-x", "InService"),
        unasked("i-x", "Quarantined"),
        unasked("i-x", "SomethingNew"),
        unasked("i-x", "ReplacingRootVolume:Wait"),
    ],
)
def test_what_is_on_its_way_in_or_unknown_uses_up_the_budget(other: Any) -> None:
    busy = group(*three().instances, other)
    decision = decide(busy, minimum="1", max_unavailable="2")
    assert decision.figures is not None
    assert decision.figures.in_flight == 1
    assert decision.to_terminate == ("i-01eb1b24b1e5d8a3e",)


@pytest.mark.parametrize(
    "lifecycle",
    [
        "Standby",
        "EnteringStandby",
        "Warmed:Stopped",
        "Warmed:Running",
        "Terminating",
        "Terminating:Wait",
        "Terminating:Retained",
        "Terminated",
        "Detaching",
        "Detached",
    ],
)
def test_what_stands_by_waits_in_a_warm_pool_or_leaves_is_not_counted(lifecycle: str) -> None:
    """A member may stay in Terminating:Wait for two days: the release starts all the same."""
    decision = decide(group(*three().instances, unasked("i-x", lifecycle)), **ALL_AT_ONCE)
    assert decision.figures is not None
    assert decision.figures.in_flight == 0
    assert len(decision.to_terminate) == 2


def test_an_aside_instance_is_never_an_instance_even_if_it_was_read() -> None:
    old = member("i-old", "0.9.0", up=900, lifecycle="Standby")
    assert "i-old" not in decide(group(*three().instances, old), **ALL_AT_ONCE).to_terminate


def test_what_leaves_is_missed_through_desired_capacity() -> None:
    leaving = group(*three().instances, unasked("i-x", "Terminating"), desired=4)
    decision = decide(leaving, minimum="1", max_unavailable="2")
    assert decision.figures is not None
    assert decision.figures.in_flight == 1
    assert len(decision.to_terminate) == 1


def test_an_unreadable_instance_uses_up_the_budget_and_is_never_chosen() -> None:
    doubtful = group(*three().instances, member("i-x", None, up=900))
    assert decide(doubtful, minimum="1", max_unavailable="2").to_terminate == (
        "i-01eb1b24b1e5d8a3e",
    )


def test_one_that_answers_the_target_but_is_unhealthy_at_its_load_balancer_is_spared() -> None:
    ill = member("i-x", "1.0.274", up=900, reason="unhealthy at target group web")
    fleet = group(*three().instances, ill, released=released("1.0.274", since=300))
    decision = decide(fleet, minimum="0", max_unavailable="100%")
    assert decision.to_terminate == ("i-01eb1b24b1e5d8a3e", "i-0ae0fbd754e6d71d9")


def test_protected_instances_stay_and_the_others_go() -> None:
    some = group(
        member("i-a", up=30, protected=True),
        member("i-b", up=20),
        member("i-n", "1.0.274", up=10),
    )
    assert decide(some, minimum="0", max_unavailable="100%").to_terminate == ("i-b",)


def test_four_of_six_hidden_by_the_network_cost_nothing() -> None:
    hidden = [member(f"i-{n}", None, up=600) for n in range(4)]
    of = group(*hidden, member("i-4"), member("i-5"), released=released("1.0.274", since=300))
    assert decide(of, minimum="50%").to_terminate == ()


def test_a_group_on_target_is_converged() -> None:
    done = group(member("i-a", "1.0.274"), member("i-b", "1.0.274"))
    decision = decide(done)
    assert (decision.kind, decision.reason) == ("converged", "2 instances on 1.0.274")


def test_an_empty_group_that_wants_nothing_is_converged() -> None:
    decision = decide(group())
    assert (decision.kind, decision.reason) == ("converged", "no instance is wanted")


def test_members_beyond_desired_are_no_reason_to_hold_a_converged_group() -> None:
    assert decide(group(member("i-a"), member("i-b"), desired=1)).kind == "converged"


def test_of_zones_with_equally_many_left_the_one_with_the_oldest_instance_gives_first() -> None:
    """Whatever the zones are called."""
    zoned = group(
        member("i-a", up=80, zone="a"),
        member("i-b", up=90, zone="b"),
        member("i-n", "1.0.274", up=10, zone="c"),
    )
    assert decide(zoned, minimum="0", max_unavailable="100%").to_terminate == ("i-b", "i-a")


def test_instances_on_target_count_among_those_left_in_a_zone() -> None:
    zoned = group(
        member("i-a", up=80, zone="a"),
        member("i-n", "1.0.274", up=10, zone="a"),
        member("i-b", up=90, zone="b"),
    )
    assert decide(zoned, minimum="0", max_unavailable="100%").to_terminate == ("i-a", "i-b")


def test_without_a_bucket_builds_of_one_version_are_on_target() -> None:
    assert decide(group(member("i-a", "1.0+a"), member("i-b", "1.0+b"))).kind == "converged"


def test_a_decision_carries_the_figures_that_it_rests_on() -> None:
    of = group(
        *three().instances,
        member("i-x", None),
        unasked("i-p", "Pending"),
        unasked("i-q", "Pending"),
        desired=8,
        released=released("1.0.275", since=300),
    )
    assert decide(of).figures == Figures(
        available=3,
        unavailable=1,
        in_flight=4,
        outdated=3,
        minimum=4,
        target=Version.parse("1.0.275"),
        source="released",
        lowest=Version.parse("1.0.266"),
        highest=Version.parse("1.0.274"),
        stale=3,
        overdue=1,
        since=ago(300),
        behind=timedelta(minutes=300),
    )


def test_without_a_release_there_is_no_target() -> None:
    figures = decide(group(member("i-a"), released=NoRelease("no release of web"))).figures
    assert figures is not None
    assert (figures.target, figures.source) == (None, "released")


@pytest.mark.parametrize("ids", [("i-a", "i-b"), ("i-b", "i-a")])
def test_of_equal_versions_the_same_spellings_are_shown_whoever_reports_them(
    ids: tuple[str, str],
) -> None:
    short, long = ids
    figures = decide(group(member(short, "1.2"), member(long, "1.2.0"))).figures
    assert figures is not None
    assert (str(figures.lowest), str(figures.highest)) == ("1.2", "1.2.0")


def test_another_build_of_the_target_is_not_above_it() -> None:
    """So that an alarm holds it."""
    of = group(
        member("i-a", "1.0+b"),
        released=released("1.0+a", since=30),
        guards=Preflight(alarms=("alarm rings",)),
    )
    assert decide(of, minimum="0").reason == "alarm rings"


def test_what_is_not_known_is_not_above_the_target() -> None:
    facts = GroupState(group(released=released("1.0", since=30)), policy(), NOW)
    assert not facts.above_target(member("i-x", None))
    unknown = GroupState(group(released=NoRelease("no release of web")), policy(), NOW)
    assert not unknown.above_target(member("i-a"))
