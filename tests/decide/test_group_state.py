"""The words of the rules: which instance is what, and since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from terminator.model import (
    Group,
    Instance,
    Launches,
    NoRelease,
    Origin,
    Release,
    Released,
    Traffic,
)
from terminator.version import Version
from tests.decide.builders import (
    ALWAYS,
    ILL,
    SERVES,
    UNUSED,
    ago,
    group,
    ids,
    member,
    released,
    state_of,
    unasked,
)

OLD = member("i-old")  # so that no group of these tests is whole


# Available, unavailable, in flight.


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (member("i-x"), "available"),
        (member("i-x", traffic=SERVES), "available"),
        (member("i-x", None), "unavailable"),
        (member("i-x", None, traffic=SERVES), "unavailable"),
        (member("i-x", traffic=ILL), "unavailable"),
        (member("i-x", traffic=Traffic("a zonal shift", healthy=True)), "unavailable"),
        (member("i-x", traffic=Traffic(unknown=True)), "in flight"),
        (member("i-x", running=False), "in flight"),
        (member("i-x", health="Unhealthy"), "in flight"),
        (member("i-x", in_service_since=None), "in flight"),
        (unasked("i-x", "InService"), "in flight"),
        (unasked("i-x", "Pending"), "in flight"),
        (unasked("i-x", "Pending:Wait"), "in flight"),
        (unasked("i-x", "Quarantined"), "in flight"),
        (unasked("i-x", "SomethingNew"), "in flight"),
        (unasked("i-x", "ReplacingRootVolume:Wait"), "in flight"),
        (member("i-x", lifecycle="Standby"), "nothing"),
        (unasked("i-x", "EnteringStandby"), "nothing"),
        (unasked("i-x", "Warmed:Stopped"), "nothing"),
        (unasked("i-x", "Warmed:Running"), "nothing"),
        (unasked("i-x", "Terminating"), "nothing"),
        (unasked("i-x", "Terminating:Wait"), "nothing"),
        (unasked("i-x", "Terminating:Retained"), "nothing"),
        (unasked("i-x", "Terminated"), "nothing"),
        (unasked("i-x", "Detaching"), "nothing"),
        (unasked("i-x", "Detached"), "nothing"),
    ],
)
def test_an_instance_is_available_unavailable_in_flight_or_nothing(
    seen: Instance, word: str
) -> None:
    state = state_of(group(OLD, seen, released=released("2", since=60)))
    found = {
        "available": "i-x" in ids(state.available),
        "unavailable": "i-x" in ids(state.unavailable),
        "in flight": state.in_flight == 1,
    }
    assert [name for name, is_it in found.items() if is_it] == ([] if word == "nothing" else [word])


@pytest.mark.parametrize(
    ("members", "desired", "in_flight"),
    [
        ([OLD], 3, 2),
        ([OLD, unasked("i-p", "Pending")], 3, 2),
        ([OLD, unasked("i-p", "Pending"), unasked("i-q", "Pending")], 2, 2),
        ([OLD, unasked("i-l", "Terminating:Wait")], 2, 1),
        ([OLD, member("i-b")], 1, 0),
    ],
)
def test_what_desired_capacity_misses_is_in_flight_and_what_leaves_is_missed_by_it(
    members: list[Instance], desired: int, in_flight: int
) -> None:
    assert state_of(group(*members, desired=desired)).in_flight == in_flight


@pytest.mark.parametrize(
    ("own", "groups", "served", "is_available"),
    [
        ("20m", None, 19, False),
        ("20m", None, 20, True),
        (None, 20, 19, False),
        (None, 20, 20, True),
        ("5m", 20, 6, True),
        ("0m", 20, 1, True),
        (None, None, 0, True),
    ],
)
def test_one_that_warms_up_is_in_flight_by_the_tag_else_by_the_groups_own_warmup(
    own: str | None, groups: int | None, served: float, *, is_available: bool
) -> None:
    of = group(
        OLD,
        member("i-x", served=served),
        warmup=None if groups is None else timedelta(minutes=groups),
        released=released("2", since=60),
    )
    state = state_of(of, **({} if own is None else {"warm_up": own}))
    assert ("i-x" in ids(state.available)) is is_available
    assert state.in_flight == (not is_available)


# Converged.


@pytest.mark.parametrize(
    ("of", "is_converged"),
    [
        (group(), True),
        (group(released=released("2", since=5)), True),
        (group(member("i-a"), member("i-b")), True),
        (group(member("i-a"), member("i-b"), desired=1), True),
        (group(member("i-a", "2"), released=released("2", since=5)), True),
        (group(member("i-a", "2.0"), released=released("v2", since=5)), True),
        (group(member("i-a"), unasked("i-s", "Standby"), desired=1), True),
        (group(unasked("i-s", "Standby")), True),
        (group(member("i-a"), member("i-b", "2")), False),
        (group(member("i-a"), released=released("2", since=5)), False),
        (group(member("i-a"), desired=2), False),
        (group(member("i-a"), unasked("i-p", "Pending"), desired=1), False),
        (group(member("i-a"), member("i-b", None)), False),
        (group(member("i-a"), member("i-b", traffic=ILL)), False),
        (group(released=NoRelease("none")), False),
    ],
)
def test_converged_means_that_all_are_available_and_on_target_and_nothing_is_in_flight(
    of: Group, *, is_converged: bool
) -> None:
    assert state_of(of).converged is is_converged


def test_a_group_that_is_whole_has_converged_although_nobody_asked_since_when_it_serves() -> None:
    whole = group(
        member("i-a", "2", in_service_since=None),
        member("i-b", "2", in_service_since=None),
        warmup=timedelta(hours=1),
        released=released("2", since=5),
    )
    assert whole.settled
    assert state_of(whole).converged


@pytest.mark.parametrize(
    ("members", "target", "is_settled"),
    [
        (["1.0+a", "1.0+a"], "1.0+a", True),
        (["1.0+a", "1.0"], "1.0+a", True),
        (["1.0+a", "1.0+b"], "1.0+a", False),
        (["1.0+b", "1.0+a"], "1.0+a", False),
        (["1.0", "1.1"], "1.1", False),
        (["1.0+a", "1.0+b"], None, True),
        (["1.0", "1.1"], None, False),
        (["1.0", None], None, False),
    ],
)
def test_a_group_is_settled_only_if_every_member_runs_the_target(
    members: list[str | None], target: str | None, *, is_settled: bool
) -> None:
    its = [member(f"i-{n}", version) for n, version in enumerate(members)]
    assert group(*its, released=target and released(target, since=5)).settled is is_settled


@pytest.mark.parametrize(
    "of",
    [
        group(member("i-a"), desired=2),
        group(member("i-a", running=False)),
        group(member("i-a", traffic=ILL)),
        group(member("i-a", traffic=Traffic(unknown=True))),
        group(unasked("i-p", "Pending")),
        group(member("i-a"), released=NoRelease("none")),
    ],
)
def test_a_group_that_is_not_whole_is_not_settled(of: Group) -> None:
    assert not of.settled


# The target, and what is outdated.


def test_without_a_bucket_the_target_is_the_highest_that_is_available() -> None:
    of = group(member("i-a", "1"), member("i-b", "2"), member("i-c", "3", traffic=ILL))
    state = state_of(of)
    assert (str(state.target), state.source) == ("2", "highest")
    assert ids(state.outdated) == ["i-a"]


def test_without_a_bucket_only_lower_versions_are_outdated() -> None:
    """So an unserving instance that is ahead of the others is not dead."""
    state = state_of(group(member("i-a", "1"), member("i-b", "2", traffic=ILL)))
    assert not state.dead
    assert not state.stale


def test_without_a_bucket_nothing_is_outdated_where_nothing_is_available() -> None:
    """Else a load balancer that fails for all of them would cost them all."""
    state = state_of(group(*(member(f"i-{n}", f"1.{n}", traffic=ILL) for n in range(3))))
    assert state.target is None
    assert not state.dead


def test_without_a_release_there_is_no_target_and_nothing_is_outdated() -> None:
    state = state_of(group(member("i-a"), released=NoRelease("no release of web")))
    assert (state.target, state.source, state.outdated) == (None, "released", ())


@pytest.mark.parametrize("running", ["1.0.265", "1.0.267"])
def test_with_a_bucket_any_other_release_is_outdated(running: str) -> None:
    state = state_of(group(member("i-a", running), released=released("1.0.266", since=30)))
    assert ids(state.outdated) == ["i-a"]


@pytest.mark.parametrize(
    ("running", "target", "is_outdated"),
    [("1.0+a", "1.0", 0), ("1.0", "1.0+a", 0), ("1.0+a", "1.0+a", 0), ("1.0+b", "1.0+a", 1)],
)
def test_build_metadata_counts_only_where_both_sides_have_it(
    running: str, target: str, *, is_outdated: int
) -> None:
    built = group(member("i-a", running), released=released(target, since=30))
    assert len(state_of(built).outdated) == is_outdated


def test_what_is_not_known_is_not_above_the_target() -> None:
    assert not state_of(group(released=released("1.0", since=30))).above_target(member("i", None))
    nothing = state_of(group(released=NoRelease("no release of web")))
    assert not nothing.above_target(member("i-a"))


def test_another_build_of_the_target_is_not_above_it() -> None:
    state = state_of(group(member("i-a", "1.0+b"), released=released("1.0+a", since=30)))
    assert not state.above_target(state.outdated[0])


@pytest.mark.parametrize("names", [("i-a", "i-b"), ("i-b", "i-a")])
def test_of_equal_versions_the_same_spellings_are_shown_whoever_reports_them(
    names: tuple[str, str],
) -> None:
    state = state_of(group(member(names[0], "1.2"), member(names[1], "1.2.0")))
    assert (str(state.lowest), str(state.highest)) == ("1.2", "1.2.0")


# Since then, and overdue.


@pytest.mark.parametrize(
    ("seen", "is_since_then"),
    [
        (member("i-x", up=9), True),
        (member("i-x", up=10.9), True),
        (member("i-x", up=11), True),
        (member("i-x", up=11.1), False),
        (member("i-x", up=900, served=5), False),
        (member("i-x", up=900, taken_from_pool=ago(9)), True),
        (member("i-x", up=900, taken_from_pool=ago(12)), False),
        (member("i-x", created=None), True),
    ],
)
def test_since_then_is_what_was_created_or_taken_from_the_pool_since_or_within_the_doubt(
    seen: Instance, *, is_since_then: bool
) -> None:
    state = state_of(group(OLD, seen, released=released("2", since=10)))
    assert state.since_then(seen) is is_since_then


def test_a_zip_uploaded_in_parts_widens_the_doubt() -> None:
    target = released("2", since=10, doubt=timedelta(minutes=20))
    state = state_of(group(OLD, member("i-x", up=29), released=target))
    assert state.since_then(state.members[1])


def test_where_since_is_unknown_nothing_is_of_since_then() -> None:
    state = state_of(group(OLD, member("i-x", up=0), released=released("2", since=None)))
    assert not state.since_then(state.members[1])


@pytest.mark.parametrize(
    ("served", "grace", "texts", "is_overdue"),
    [
        (30, 5, {}, False),  # not longer than canary-retry
        (31, 5, {}, True),
        (31, 31, {}, False),  # nor than the grace period
        (32, 31, {}, True),
        (61, 5, {"warm_up": "62m"}, False),  # it still warms up
        (62, 5, {"warm_up": "62m"}, False),  # it has just ended
        (63, 5, {"warm_up": "62m"}, True),
        (90, 5, {"canary_retry": "2h"}, False),
    ],
)
def test_overdue_is_what_is_unavailable_for_longer_than_any_boot_may_take(
    served: float, grace: float, texts: dict[str, str], *, is_overdue: bool
) -> None:
    silent = member("i-x", None, up=900, served=served)
    state = state_of(group(OLD, silent, grace=grace), **texts)
    assert ids(state.overdue) == (["i-x"] if is_overdue else [])


# Presumed outdated, failed boots, and the dead.


def history(target: str = "2", *, since: float, **more: Any) -> Released:
    """Return a release in whose place another was the target from 300 minutes to `since` ago."""
    others = ((ago(300), ago(since)),)
    return released(target, since=since, **{"others": others, "first_existed": ago(900), **more})


@pytest.mark.parametrize(
    ("up", "doubt", "was_another"),
    [
        (100, 1, True),
        (61.5, 1, True),
        (60.9, 1, False),  # within the doubt the later target counts: this one
        (59, 1, False),
        (299, 1, True),
        (300.9, 1, True),  # and there the other
        (301.5, 1, False),  # it was the target before, too
        (100, 45, False),
        (340, 45, True),
    ],
)
def test_the_history_tells_whether_another_release_was_the_target_when_an_instance_was_created(
    up: float, doubt: float, *, was_another: bool
) -> None:
    target = history(since=60, doubt=timedelta(minutes=doubt))
    assert target.was_another(ago(up)) == was_another


def test_one_after_the_other_releases_that_were_the_target_are_one_span() -> None:
    spans = ((ago(300), ago(200)), (ago(200), ago(60)))
    target = released("2", since=60, others=spans, first_existed=ago(900))
    silent = [member(f"i-{up}", None, up=up) for up in (199.5, 200, 200.5)]
    assert len(state_of(group(OLD, *silent, released=target)).dead) == 3


@pytest.mark.parametrize(
    ("up", "first_existed", "is_dead"),
    [
        (299, ago(250), True),
        (299, ago(600), False),
        (250.5, ago(250), False),  # within the doubt
        (299, None, False),  # nobody knows, as without versioning
    ],
)
def test_before_its_history_only_what_is_older_than_the_zip_is_presumed_outdated(
    up: float, first_existed: Any, *, is_dead: bool
) -> None:
    target = released("2", since=60, known_from=ago(240), first_existed=first_existed)
    state = state_of(group(OLD, member("i-x", None, up=up), released=target))
    assert ids(state.dead) == (["i-x"] if is_dead else [])


def test_what_is_older_than_the_first_release_of_all_is_presumed_outdated() -> None:
    target = released("2", since=60, others=())
    state = state_of(group(OLD, member("i-x", None, up=900), released=target))
    assert ids(state.dead) == ["i-x"]


@pytest.mark.parametrize(
    ("seen", "is_dead"),
    [
        (member("i-x", None, up=100), True),
        (member("i-x", None, up=100, traffic=Traffic("shifted", unhealthy=True)), True),
        (member("i-x", None, up=100, served=20), False),  # not overdue
        (member("i-x", None, up=100, traffic=SERVES), False),  # who sees it says it serves
        (member("i-x", None, up=100, taken_from_pool=ago(90)), True),
        (member("i-x", None, up=100, taken_from_pool=ago(40)), True),  # a warm pool held it then
        (member("i-x", None, up=500, taken_from_pool=ago(90)), True),  # of this, but none serves
        (member("i-x", None, created=None), False),
        (member("i-x", "1", up=100, traffic=ILL), True),
        (member("i-x", "1", up=20, served=100, traffic=ILL), True),
        (member("i-x", "1", up=500, traffic=ILL), True),  # it says itself that it is outdated
        (member("i-x", "2", up=500, traffic=ILL), False),
        (member("i-x", "1", up=100), False),  # it serves
    ],
)
def test_dead_is_what_is_overdue_and_outdated_or_presumed_so(
    seen: Instance, *, is_dead: bool
) -> None:
    state = state_of(group(OLD, member("i-b"), seen, released=history(since=60)))
    assert ids(state.dead) == (["i-x"] if is_dead else [])


def test_nothing_is_presumed_outdated_without_versioning_or_without_a_bucket() -> None:
    silent = member("i-x", None, up=90_000)
    assert not state_of(group(OLD, silent)).dead
    assert not state_of(group(OLD, silent, released=released("2", since=None))).dead


PROOF = [member("i-a", "2", up=200, traffic=SERVES), member("i-b", "2", up=100, traffic=SERVES)]


@pytest.mark.parametrize(
    ("others", "since", "up", "is_failed"),
    [
        (PROOF, 300, 60, True),
        (PROOF, 300, 20, False),  # not overdue
        (PROOF, 300, 301, True),  # created within the doubt
        ([*PROOF, member("i-c", "2", up=400)], 300, 310, False),  # it may have run the target
        ([member("i-a", "2", up=200)], 1440, 60, False),  # a day ago, and nothing is outdated
        ([member("i-a", "2", up=200)], 1439, 60, True),
        ([member("i-a", "2", up=200), member("i-o", up=300)], 2000, 60, True),
        ([member("i-a", "2", up=900)], 300, 60, False),  # no other of since then runs it
        ([member("i-a", up=200), member("i-b", up=100)], 300, 60, False),  # no proof
    ],
)
def test_a_failed_boot_is_silent_beside_others_of_since_then_that_run_the_target(
    others: list[Instance], since: float, up: float, *, is_failed: bool
) -> None:
    target = released("2", since=since, others=(), first_existed=ALWAYS)
    state = state_of(group(*others, member("i-x", None, up=up), released=target))
    assert ids(state.failed_boots) == (["i-x"] if is_failed else [])
    assert ids(state.dead) == ids(state.failed_boots)


def test_one_that_answers_is_no_failed_boot() -> None:
    ill = member("i-x", "2", up=60, traffic=ILL)
    state = state_of(group(*PROOF, ill, released=released("2", since=300)))
    assert not state.dead


@pytest.mark.parametrize(
    ("up", "is_dead"), [(60.5, True), (60, False), (59.5, False), (61.5, False)]
)
def test_after_a_rollback_a_silent_boot_of_just_before_is_a_failed_one_although_alone(
    up: float, *, is_dead: bool
) -> None:
    """It may be the canary of the release that was taken back."""
    target = released("1", since=60, others=(), first_existed=ALWAYS)
    of = group(member("i-a", "1"), member("i-b", "1"), member("i-x", None, up=up), released=target)
    assert ids(state_of(of).dead) == (["i-x"] if is_dead else [])


@pytest.mark.parametrize(
    ("others", "since", "up", "is_dead"),
    [
        ([], 60, 60.5, True),
        ([], 60, 59.5, False),
        ([], 60, 61, True),
        ([], 60, 61.5, True),  # it was the target then too, but nothing of then serves
        ([member("i-a", "1", up=80)], 60, 61.5, False),
        ([member("i-a", "2", up=80)], 60, 61.5, False),  # what is above the target goes first
        ([], 2000, 2000.5, False),  # a reboot, a day later
        ([OLD], 60, 60.5, True),
        ([OLD], 60, 59.5, False),
        ([OLD], 2000, 2000.5, True),  # the target is not out everywhere, a day later
        ([member("i-a", "1", up=5)], 2000, 2000.5, False),  # it is
    ],
)
def test_without_proof_a_silent_boot_of_just_before_is_dead_and_no_canary(
    others: list[Instance], since: float, up: float, *, is_dead: bool
) -> None:
    target = released("1", since=since, others=(), first_existed=ALWAYS)
    silent = member("i-x", None, up=up)
    state = state_of(group(*others, silent, grace=20, released=target))
    assert ids(state.dead) == (["i-x"] if is_dead else [])
    is_canary = not is_dead and state.since_then(silent)
    assert ids(state.not_come_up) == (["i-x"] if is_canary else [])


@pytest.mark.parametrize(
    ("seen", "is_dead", "is_canary"),
    [
        (member("i-x", None, up=500, served=40), True, False),
        (member("i-x", "1", up=500, served=40, traffic=ILL), True, False),
        (member("i-x", None, up=59, served=40), True, False),  # within the doubt
        (member("i-x", None, up=58, served=40), False, True),  # the pool made it since
        (member("i-x", "1", up=58, served=40, traffic=ILL), True, True),
        (member("i-x", None, up=500, served=20), False, True),  # not overdue
        (member("i-x", None, up=500, served=40, traffic=SERVES), False, False),
        (member("i-x", "2", up=500, served=40, traffic=ILL), False, True),  # it runs the target
    ],
)
@pytest.mark.parametrize("others", [[], [OLD]], ids=["alone", "beside an old one"])
def test_without_proof_what_a_warm_pool_held_and_does_not_come_up_is_dead_and_no_canary(
    seen: Instance, others: list[Instance], *, is_dead: bool, is_canary: bool
) -> None:
    pooled = replace(seen, taken_from_pool=ago(45))
    state = state_of(group(*others, pooled, released=history(since=60)))
    assert not state.proof
    assert ids(state.dead) == (["i-x"] if is_dead else [])
    assert ids(state.not_come_up) == (["i-x"] if is_canary else [])


# What answers in a zone that gets no traffic.


@pytest.mark.parametrize(
    ("seen", "in_the_way"),
    [
        (member("i-x", "2", up=9, traffic=UNUSED), False),
        (member("i-x", "2", up=90, traffic=UNUSED), False),
        (member("i-x", "2", up=9, traffic=ILL), True),
        (member("i-x", None, up=9, traffic=UNUSED), True),  # it may be the release
        (member("i-x", "1", up=9, traffic=UNUSED), False),
    ],
)
@pytest.mark.parametrize("since", [30, None])
def test_what_answers_where_no_traffic_is_sent_is_no_canary_and_uses_no_budget_up(
    seen: Instance, since: float | None, *, in_the_way: bool
) -> None:
    of = group(OLD, member("i-b"), seen, grace=60, released=released("2", since=since))
    state = state_of(of, minimum="0", max_unavailable="1")
    assert ids(state.unavailable) == ["i-x"]
    assert not state.proof
    assert ids(state.not_come_up) == (["i-x"] if in_the_way else [])
    assert state.budget == (0 if in_the_way else 1)


# Canaries that have not come up, and stale boots.


@pytest.mark.parametrize(
    ("seen", "has_not_come_up"),
    [
        (member("i-x", None, up=5), True),
        (member("i-x", "2", up=5, traffic=ILL), True),
        (member("i-x", "1", up=5, traffic=ILL), True),
        (member("i-x", "1", up=10.5, traffic=ILL), False),  # it may be a boot of before
        (member("i-x", None, up=10.5), True),
        (member("i-x", None, up=12), False),
        (member("i-x", "2", up=5), False),
        (unasked("i-x", "Pending"), False),
    ],
)
def test_a_canary_that_has_not_come_up_is_silent_or_unserving_and_of_since_then(
    seen: Instance, *, has_not_come_up: bool
) -> None:
    state = state_of(group(OLD, seen, released=released("2", since=10)))
    assert ids(state.not_come_up) == (["i-x"] if has_not_come_up else [])


@pytest.mark.parametrize(
    ("seen", "has_not_come_up"),
    [
        (member("i-x", None, up=5), True),
        (member("i-x", "2", up=5, traffic=ILL), True),
        (member("i-x", None, up=900), False),
        (member("i-x", None, up=900, served=4, taken_from_pool=ago(5)), True),
    ],
)
def test_where_since_is_unknown_it_is_the_last_to_be_created_or_taken_from_the_pool(
    seen: Instance, *, has_not_come_up: bool
) -> None:
    for target in (None, released("2", since=None)):
        state = state_of(group(OLD, seen, released=target))
        assert ids(state.not_come_up) == (["i-x"] if has_not_come_up else [])


def test_what_a_warm_pool_held_when_the_zip_came_is_no_canary_once_it_is_overdue() -> None:
    for served, has_not_come_up in ((20, ["i-x"]), (40, [])):
        seen = member("i-x", None, up=900, served=served, taken_from_pool=ago(served + 1))
        state = state_of(group(OLD, seen, released=released("2", since=None)))
        assert ids(state.not_come_up) == has_not_come_up


@pytest.mark.parametrize(
    ("seen", "is_stale"),
    [
        (member("i-x", "1", up=5), True),
        (member("i-x", "3", up=5), True),
        (member("i-x", "1", up=5, traffic=ILL), True),
        (member("i-x", "1", up=8.9), True),
        (member("i-x", "1", up=9), False),  # within the doubt
        (member("i-x", "1", up=900, taken_from_pool=ago(5)), True),
        (member("i-x", "2", up=5), False),
        (member("i-x", None, up=5), False),
    ],
)
def test_a_stale_boot_answers_another_version_although_created_since_by_more_than_the_doubt(
    seen: Instance, *, is_stale: bool
) -> None:
    state = state_of(group(OLD, seen, released=released("2", since=10)))
    assert ids(state.stale) == (["i-x"] if is_stale else [])


def test_where_since_is_unknown_boots_are_stale_from_the_first_that_runs_the_target() -> None:
    members = [member("i-a", up=90), member("i-n", "2", up=60), member("i-b", up=30)]
    for target in (None, released("2", since=None)):
        assert ids(state_of(group(*members, released=target)).stale) == ["i-b"]


def test_where_nothing_dates_the_target_and_none_runs_it_the_zip_tells_what_is_stale() -> None:
    """But what is above the target was rolled back: the age of its zip says nothing of that."""
    zip_ = Release("web/2.zip", Version.parse("2"), ago(60))
    doubtful = [member("i-x", "1", up=60.5), member("i-y", "1", up=59)]
    members = [member("i-a", "1", up=90), member("i-b", "1", up=58.9), member("i-c", "3", up=30)]
    state = state_of(group(*members, *doubtful, released=Released(zip_, None)))
    assert ids(state.stale) == ["i-b"]


# Proof, baking and what has a canary out.


@pytest.mark.parametrize(
    ("members", "grace", "has_proof"),
    [
        ([OLD, member("i-n", "2", up=10)], 10, True),
        ([OLD, member("i-n", "2", up=9.9)], 10, False),
        ([OLD, member("i-n", "2", up=30, served=9)], 10, False),  # a launch hook kept it
        ([OLD, member("i-n", "2", up=900)], 10, False),  # a later one runs another
        ([OLD, member("i-n", "2", up=10), member("i-s", up=10)], 10, False),
        ([OLD, member("i-n", "2", up=10), member("i-s", up=2)], 10, False),
        ([OLD, member("i-n", "2", up=10), member("i-s", "2", up=2)], 10, True),
        ([OLD, member("i-n", "2", up=10), member("i-s", None, up=2)], 10, True),
        ([OLD, member("i-n", "2", up=10, traffic=ILL)], 10, False),
        ([member("i-n", "2", up=10), member("i-m", "2", up=10)], 10, True),
        ([OLD], 0, False),
        ([], 0, False),
    ],
)
def test_proof_is_that_the_last_created_that_outlived_its_grace_period_runs_the_target(
    members: list[Instance], grace: float, *, has_proof: bool
) -> None:
    of = group(*members, grace=grace, desired=5, released=released("2", since=700))
    assert state_of(of).proof is has_proof


def test_the_longest_serving_on_target_ends_the_baking() -> None:
    of = group(
        OLD,
        member("i-m", "2", up=50, served=8),
        member("i-n", "2", up=3),
        grace=2,
        released=released("2", since=60),
    )
    assert state_of(of, bake_time="10m").baking == timedelta(minutes=4)


@pytest.mark.parametrize(
    ("seen", "is_out"),
    [
        ([unasked("i-x", "Pending")], True),
        ([member("i-x", None, up=5)], True),
        ([member("i-x", "2", up=5, traffic=ILL)], True),
        ([member("i-x", "2", up=5)], True),
        ([member("i-x", "2", up=9)], False),  # it has outlived its grace period
        ([member("i-x", "1", up=5)], False),  # a stale boot
        ([], True),  # it is missing
        ([member("i-x", "1", up=900, health="Unhealthy")], False),
    ],
)
def test_a_canary_is_out_while_it_is_in_flight_not_come_up_or_in_its_grace_period(
    seen: list[Instance], *, is_out: bool
) -> None:
    of = group(OLD, *seen, desired=2, grace=8, released=released("2", since=10))
    assert state_of(of).canary_is_out is is_out


@pytest.mark.parametrize(
    ("seen", "is_out"),
    [
        ([unasked("i-x", "Pending")], True),
        ([member("i-x", None, up=5)], True),
        ([member("i-x", "2", up=5)], True),
        ([member("i-x", "2", up=9)], False),
        ([member("i-x", "1", up=5)], False),
    ],
)
def test_a_canary_can_be_out_although_nothing_dates_the_target(
    seen: list[Instance], *, is_out: bool
) -> None:
    of = group(OLD, *seen, desired=2, grace=8, released=released("2", since=None))
    assert state_of(of).canary_is_out is is_out


@pytest.mark.parametrize(
    ("failed", "up", "minutes"),
    [
        ([5], 600, 5),
        ([5, 65, 125], 600, 125),
        ([5, 65, 125], 60, 5),  # one has entered service in between
        ([65], 60, None),
        ([], 600, None),
    ],
)
def test_launches_fail_from_the_first_failure_after_the_last_that_entered_service(
    failed: list[float], up: float, minutes: float | None
) -> None:
    of = group(member("i-a", up=up), desired=2, failed_launches=tuple(map(ago, failed)))
    assert state_of(of).failing_since == (None if minutes is None else ago(minutes))
    assert state_of(replace(of, desired=1)).failing_since is None


@pytest.mark.parametrize(("failing", "is_out"), [(170, True), (190, False)])
def test_after_three_hours_of_failing_launches_what_is_missing_is_no_canary(
    failing: float, *, is_out: bool
) -> None:
    of = group(OLD, desired=2, failed_launches=(ago(failing),), released=released("2", since=500))
    assert state_of(of).canary_is_out is is_out


def test_one_attached_by_hand_does_not_say_since_when_launches_are_of_the_template() -> None:
    """It lists none, so it has not drifted: what drifted and is dead is no boot of after it."""
    before = Origin("lt-1", 1)
    of = group(
        member("i-old", "1", up=900, origin=before),
        member("i-attached", "1", up=2000),
        member("i-x", None, up=700, origin=before),
        launches=Launches(Origin("lt-1", 2), dated=ago(100)),
        released=None,
    )
    state = state_of(of)
    assert ids(state.stale) == []
    assert ids(state.dead) == ["i-x"]
    now = replace(of.instances[1], origin=Origin("lt-1", 2))
    known = replace(of, instances=(of.instances[0], now, of.instances[2]))
    assert ids(state_of(known).stale) == ["i-old", "i-x"]
