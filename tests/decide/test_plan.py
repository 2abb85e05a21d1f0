"""Who goes, how many, and in which order: the dead, the batch with proof, and the canary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from terminator.decide.plan import confirmed, plan
from terminator.model import Decision, Figures, Group, Instance, Launches, Origin, Traffic
from tests.decide.builders import (
    FAST,
    ILL,
    NOW,
    SERVES,
    UNUSED,
    ago,
    decide,
    group,
    member,
    policy,
    released,
    state_of,
    unasked,
)


def three() -> Group:
    return group(
        member("i-01eb1b24b1e5d8a3e", "1.0.266", up=30),
        member("i-0ae0fbd754e6d71d9", "1.0.266", up=20),
        member("i-0c0ffee0c0ffee0c0", "1.0.274", up=10),
    )


# How many.


@pytest.mark.parametrize(
    ("texts", "to_terminate"),
    [
        ({"minimum": "1"}, ("i-01eb1b24b1e5d8a3e", "i-0ae0fbd754e6d71d9")),
        ({"minimum": "2"}, ("i-01eb1b24b1e5d8a3e",)),
        ({"minimum": "3"}, ()),
        ({"minimum": "1", "max_unavailable": "25%"}, ("i-01eb1b24b1e5d8a3e",)),
    ],
)
def test_outdated_instances_go_down_to_the_minimum(
    texts: dict[str, str], to_terminate: tuple[str, ...]
) -> None:
    decision = decide(three(), **{**FAST, **texts})
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
    assert decide(three(), **{**FAST, "minimum": minimum}).reason == reason


def test_the_reason_names_all_causes_where_the_release_is_not_the_only_one() -> None:
    now, before = Origin("lt-1", 2), Origin("lt-1", 1)
    of = group(
        member("i-a", "1.0.266", up=30, origin=now),
        member("i-b", "1.0.274", up=20, origin=before),
        member("i-n", "1.0.274", up=10, origin=now),
        released=released("1.0.274", since=None),
        launches=Launches(now),
    )
    decision = decide(of, **FAST, follow="release template")
    said = "2 of 2 outdated instances fit the budget, outdated by release and template"
    assert decision.reason == said


def proven(*others: Instance, old: int = 8, new: float = 50, **more: Any) -> Group:
    """Return a group with proof; `old` outdated instances would go, as far as the budget allows."""
    its = [member(f"i-{n}", "1", up=5000 - n) for n in range(old)]
    target = released("2", since=60)
    return group(*its, member("i-n", "2", up=new), *others, **{"released": target, **more})


BUDGET = {"minimum": "2", "max_unavailable": "4"}


@pytest.mark.parametrize(
    ("others", "goes"),
    [
        ([], 4),
        ([unasked("i-x", "Pending")], 3),
        ([unasked("i-x", "InService", "Unhealthy")], 3),
        ([unasked("i-x", "SomethingNew")], 3),
        ([member("i-x", None, up=5)], 3),
        ([member("i-x", None, up=45, traffic=SERVES)], 3),  # overdue, but of since then
        ([member("i-x", "2", up=45, traffic=ILL)], 3),
        ([member("i-x", "2", up=900, served=5, traffic=ILL)], 3),  # not overdue
        ([member("i-x", "2", up=900, traffic=ILL)], 4),  # an earlier release left it behind
        ([member("i-x", None, up=900, traffic=SERVES)], 4),
    ],
)
def test_what_is_in_flight_or_unavailable_uses_up_the_budget_but_what_was_left_behind_does_not(
    others: list[Instance], goes: int
) -> None:
    decision = decide(proven(*others), **BUDGET)
    assert len(decision.to_terminate) == goes
    assert not decision.look_again


@pytest.mark.parametrize(
    ("leaving", "goes"),
    [
        ([member("i-l", lifecycle="Terminating:Wait", began_leaving=ago(30))] * 4, 4),
        ([member("i-l", lifecycle="Terminating:Wait", began_leaving=ago(30))] * 5, 3),
        ([member("i-l", lifecycle="Terminating:Wait", began_leaving=ago(30))] * 9, 0),
        ([member("i-l", lifecycle="Terminating:Wait")] * 5, 3),  # nobody knows since when
        ([member("i-l", lifecycle="Detaching")] * 5, 3),
        ([member("i-l", lifecycle="Terminating:Wait", began_leaving=ago(61))] * 5, 3),  # in doubt
        ([member("i-l", lifecycle="Terminating:Wait", began_leaving=ago(62))] * 9, 4),
        ([member("i-l", lifecycle="Terminating:Retained")] * 9, 4),
        ([member("i-l", lifecycle="Standby")] * 9, 4),
        ([member("i-l", lifecycle="Warmed:Terminating")] * 9, 4),
    ],
)
def test_at_most_twice_max_unavailable_leave_at_once_beside_what_left_before(
    leaving: list[Instance], goes: int
) -> None:
    its = [replace(each, id=f"i-l{n}") for n, each in enumerate(leaving)]
    assert len(decide(proven(*its), **BUDGET).to_terminate) == goes


@pytest.mark.parametrize(("up", "goes"), [(45, 3), (49, 3), (50, 3), (51, 4), (900, 4)])
def test_where_since_is_unknown_what_came_after_the_first_on_target_counts(
    up: float, goes: int
) -> None:
    """Boots that begin to fail in the middle of a rollout must stop it, and old ones must not."""
    for target in (None, released("2", since=None)):
        of = proven(member("i-x", None, up=up), released=target)
        assert len(decide(of, **BUDGET).to_terminate) == goes


def test_desired_capacity_that_drops_lowers_what_may_go() -> None:
    """Auto Scaling is about to remove four of these itself."""
    shrinking = [member(f"i-{n}", up=100 - n) for n in range(5)]
    of = group(*shrinking, member("i-n", "1.0.274", up=10), desired=2)
    assert decide(of, **FAST).to_terminate == ("i-0",)


def test_a_group_that_has_scaled_up_keeps_half_of_what_it_has_now() -> None:
    decision = decide(proven(desired=9), max_unavailable="100%")
    assert decision.figures is not None
    assert (decision.figures.minimum, len(decision.to_terminate)) == (5, 4)


@pytest.mark.parametrize(("percentage", "goes"), [(None, 4), (100, 0), (90, 0), (80, 1), (0, 8)])
def test_without_a_minimum_of_its_own_the_maintenance_policy_of_the_group_is_it(
    percentage: int | None, goes: int
) -> None:
    of = proven(healthy_percentage=percentage)
    assert len(decide(of, max_unavailable="8").to_terminate) == goes
    assert len(decide(of, minimum="2", max_unavailable="8").to_terminate) == 7


# In which order.


def test_the_lowest_versions_go_first_whenever_they_were_created() -> None:
    mixed = group(
        member("i-a", "1.2.0", up=40),
        member("i-b", "1.0.0", up=30),
        member("i-c", "1.1.0", up=20),
        member("i-d", "2.0.0", up=10),
    )
    assert decide(mixed, **{**FAST, "minimum": "2"}).to_terminate == ("i-b", "i-c")


def test_above_the_target_the_highest_go_first_then_below_it_the_lowest() -> None:
    mixed = group(
        member("i-a", "1.0.0", up=60),
        member("i-b", "4.0.0", up=50),
        member("i-c", "3.0.0", up=40),
        member("i-d", "1.1.0", up=30),
        member("i-e", "2.0.0", up=20),
        released=released("2.0.0", since=25),
    )
    decision = decide(mixed, **{**FAST, "minimum": "0"})
    assert decision.to_terminate == ("i-b", "i-c", "i-a", "i-d")


def test_of_one_version_the_zone_with_most_available_left_gives_first() -> None:
    zoned = group(
        member("i-a1", up=90, zone="a"),
        member("i-b1", up=80, zone="b"),
        member("i-b2", up=70, zone="b"),
        member("i-b3", up=60, zone="b"),
        member("i-n", "1.0.274", up=10, zone="c"),
    )
    assert decide(zoned, **FAST).to_terminate == ("i-b1", "i-b2", "i-a1", "i-b3")


def test_instances_on_target_count_among_those_left_in_a_zone() -> None:
    zoned = group(
        member("i-a", up=80, zone="a"),
        member("i-n", "1.0.274", up=10, zone="a"),
        member("i-b", up=90, zone="b"),
    )
    assert decide(zoned, **{**FAST, "minimum": "0"}).to_terminate == ("i-a", "i-b")


def test_of_zones_with_equally_many_left_the_one_with_the_oldest_instance_gives_first() -> None:
    """Whatever the zones are called."""
    zoned = group(
        member("i-a", up=80, zone="a"),
        member("i-b", up=90, zone="b"),
        member("i-n", "1.0.274", up=10, zone="c"),
    )
    assert decide(zoned, **{**FAST, "minimum": "0"}).to_terminate == ("i-b", "i-a")


def test_of_one_version_and_zone_the_oldest_goes_first_and_then_the_lowest_id() -> None:
    twins = group(
        member("i-c", up=50),
        member("i-b", up=50),
        member("i-a", up=40),
        member("i-n", "1.0.274", up=10),
    )
    assert decide(twins, **{**FAST, "minimum": "0"}).to_terminate == ("i-b", "i-c", "i-a")


def test_one_that_was_stopped_and_started_is_as_old_as_when_it_first_started() -> None:
    restarted = member("i-r", up=900, served=3)
    of = group(restarted, member("i-a", up=800), member("i-n", "1.0.274", up=10))
    assert decide(of, **{**FAST, "minimum": "2"}).to_terminate == ("i-r",)


# Who never goes.


@pytest.mark.parametrize(
    "other",
    [
        member("i-x", up=900, protected=True),
        member("i-x", up=900, lifecycle="Standby"),
        member("i-x", up=900, lifecycle="Terminating:Wait"),
        member("i-x", up=900, lifecycle="Warmed:Running"),
        member("i-x", up=900, health="Unhealthy"),
        member("i-x", up=900, running=False),
        member("i-x", up=900, traffic=Traffic(unknown=True)),
        member("i-x", up=900, in_service_since=None),
        member("i-x", None, up=900),
        member("i-x", None, up=900, protected=True),
        member("i-x", "1.0.274", up=900),
        member("i-x", "1.0.274", up=900, traffic=ILL),
        member("i-x", up=20, served=20, traffic=ILL),  # outdated, but not overdue
        member("i-x", up=900, traffic=ILL, protected=True),
    ],
)
def test_who_is_on_target_protected_aside_in_flight_or_unavailable_but_not_dead_stays(
    other: Instance,
) -> None:
    target = replace(released("1.0.274", since=15), first_existed=None, known_from=None)
    of = group(*three().instances, other, desired=3, released=target)
    decision = decide(of, minimum="0", max_unavailable="5", bake_time="0m")
    assert decision.to_terminate == ("i-01eb1b24b1e5d8a3e", "i-0ae0fbd754e6d71d9")


# The dead first.

TIGHT = {"minimum": "2", "max_unavailable": "1", "bake_time": "0m"}


def corpse(id_: str = "i-dead", up: float = 40, **more: Any) -> Instance:
    """Return an instance that has been silent for longer than any boot may take."""
    return member(id_, None, up=up, **more)


def hung(id_: str, up: float, **more: Any) -> Instance:
    """Return a boot that is silent, and that its load balancer calls unhealthy."""
    return corpse(id_, up, traffic=ILL, **more)


def fleet(*others: Instance) -> tuple[Instance, ...]:
    return (member("i-a", up=900), member("i-b", up=800), *others)


def test_a_dead_one_goes_before_any_outdated_one_although_no_budget_is_left() -> None:
    of = group(*fleet(corpse()), released=released("1.0.275", since=35))
    decision = decide(of, **TIGHT)
    assert (decision.to_terminate, decision.look_again) == (("i-dead",), True)
    assert decision.reason == "the dead go first: i-dead (timeout)"


def test_what_is_not_dead_goes_without_a_second_look() -> None:
    assert not decide(three(), **FAST).look_again


def test_the_oldest_of_several_goes_first_and_then_the_lowest_id() -> None:
    dead = [corpse("i-z", 50), corpse("i-y", 60), corpse("i-x", 60)]
    of = group(*fleet(*dead), released=released("1.0.275", since=35))
    assert decide(of, **TIGHT).to_terminate == ("i-x",)


def test_a_silent_one_that_a_load_balancer_calls_healthy_is_spared() -> None:
    of = group(*fleet(corpse(traffic=SERVES)), released=released("1.0.275", since=35))
    assert "i-dead" not in decide(of, **FAST).to_terminate


def test_a_protected_one_stays() -> None:
    of = group(*fleet(corpse(protected=True)), released=released("1.0.275", since=35))
    assert "i-dead" not in decide(of, **FAST).to_terminate


@pytest.mark.parametrize(("minimum", "goes"), [("3", 0), ("2", 1)])
def test_the_dead_may_come_back_so_the_minimum_counts_them(minimum: str, goes: int) -> None:
    of = group(*fleet(corpse()), released=released("1.0.275", since=35))
    assert len(decide(of, **{**TIGHT, "minimum": minimum}).to_terminate) == goes


def test_what_still_boots_has_nothing_to_come_back_to() -> None:
    """Else each replacement of a dead one would make room for the next, before it is up."""
    refused = [member(f"i-o{n}", up=600 - n, traffic=ILL) for n in range(5)]
    serving = [member(f"i-s{n}", "1.0.275", up=30 + n) for n in range(15)]
    of = group(*refused, *serving, released=released("1.0.275", since=60))
    tight = {"minimum": "90%", "max_unavailable": "25%"}
    assert decide(of, **tight).to_terminate == ("i-o0", "i-o1")
    booting = [member(f"i-n{n}", None, up=2) for n in range(2)]
    of = group(*refused[2:], *booting, *serving, released=released("1.0.275", since=60))
    assert decide(of, **tight).to_terminate == ()


def test_beyond_desired_capacity_the_unavailable_protect_nobody() -> None:
    of = group(*fleet(corpse()), desired=2, released=released("1.0.275", since=35))
    assert decide(of, **TIGHT).to_terminate == ()
    assert decide(of, **{**TIGHT, "minimum": "1"}).to_terminate == ("i-dead",)


@pytest.mark.parametrize(
    ("dead", "minimum", "goes"),
    [
        (corpse(), "0", True),
        (corpse(), "1", False),  # nobody says that it does not serve
        (corpse(traffic=Traffic(unhealthy=True)), "1", True),
        (member("i-dead", "1.0.266", up=900, traffic=ILL), "1", True),
        (corpse(traffic=SERVES), "0", False),
    ],
)
def test_where_nothing_is_available_one_that_a_load_balancer_refuses_goes_below_the_minimum(
    dead: Instance, minimum: str, *, goes: bool
) -> None:
    of = group(dead, released=released("1.0.275", since=35))
    assert bool(decide(of, minimum=minimum).to_terminate) is goes


def test_one_that_the_minimum_keeps_does_not_keep_the_next_that_nobody_serves() -> None:
    """Nothing lost may block the fix."""
    of = group(
        corpse("i-a", 900),
        member("i-b", "1.0.266", up=800, traffic=ILL),
        released=released("1.0.275", since=35),
    )
    assert decide(of, minimum="2").to_terminate == ("i-b",)


@pytest.mark.parametrize(
    ("others", "desired", "goes"),
    [
        ([], 4, ("i-d0",)),
        ([unasked("i-x", "Pending")], 5, ()),  # of since then
        ([member("i-x", up=900, health="Unhealthy")], 5, ("i-d0",)),  # of before
        ([], 5, ()),  # one is missing
        ([member("i-x", None, up=5)], 5, ()),  # a canary that has not come up
        ([member("i-x", "1.0.275", up=5, traffic=ILL)], 5, ()),
        ([member("i-x", "1.0.275", up=5)], 5, ("i-d0",)),  # it has come up
        ([member("i-x", "1.0.266", up=5)], 5, ("i-d0",)),  # a stale boot costs nothing here
    ],
)
def test_without_proof_the_dead_go_one_at_a_time_while_no_canary_is_away(
    others: list[Instance], desired: int, goes: tuple[str, ...]
) -> None:
    of = group(
        *fleet(corpse("i-d0", 60), corpse("i-d1", 50), *others),
        desired=desired,
        grace=10,
        released=released("1.0.275", since=35),
    )
    decision = decide(of, minimum="1", max_unavailable="100%")
    assert (decision.to_terminate if decision.look_again else ()) == goes
    assert decision.kind == ("canary" if decision.to_terminate else "hold")


def test_without_proof_none_that_was_created_since_goes() -> None:
    of = group(*fleet(corpse(up=40)), released=released("1.0.275", since=45))
    decision = decide(of, **FAST)
    assert decision.hold == "canary_not_come_up"
    old_only = group(corpse(up=40), desired=1, released=released("1.0.275", since=45))
    assert decide(old_only, minimum="0").to_terminate == ()


@pytest.mark.parametrize(
    ("others", "goes"),
    [
        ([], ("i-dead",)),
        ([member("i-x", None, up=20)], ()),  # a canary that may yet come up
        ([member("i-x", None, up=40)], ()),  # one that never does
        ([unasked("i-x", "Pending")], ()),
        ([corpse("i-e", up=45.5)], ("i-e",)),  # of the same minute: one at a time
    ],
)
def test_without_proof_one_of_just_before_goes_where_none_of_since_then_is_out(
    others: list[Instance], goes: tuple[str, ...]
) -> None:
    of = group(*fleet(corpse(up=45.1), *others), released=released("1.0.275", since=45))
    decision = decide(of, **FAST)
    assert decision.to_terminate == goes
    assert decision.kind == ("canary" if goes else "hold")
    assert decision.look_again == bool(goes)


def test_where_since_is_unknown_none_goes_while_the_last_to_be_created_is_away() -> None:
    ill = member("i-ill", "1.0.266", up=900, traffic=ILL)
    target = released("1.0.275", since=None)
    assert decide(group(ill, member("i-b", up=800), released=target), **FAST).look_again
    last = replace(ill, created=ago(700))
    decision = decide(group(last, member("i-b", up=800), released=target), **FAST)
    assert decision.hold == "canary_not_come_up"


@pytest.mark.parametrize(
    ("others", "goes"),
    [
        ([], 4),
        ([unasked("i-x", "Pending")], 3),
        ([member("i-x", None, up=20)], 3),  # unavailable, but not dead
        ([member("i-x", None, up=900, traffic=SERVES)], 3),
        ([member("i-x", "2", up=900, traffic=UNUSED)], 4),
        ([corpse("i-x", 900, protected=True)], 4),
        ([unasked(f"i-x{n}", "Pending") for n in range(4)], 0),
    ],
)
def test_with_proof_as_many_dead_go_as_max_unavailable_leaves(
    others: list[Instance], goes: int
) -> None:
    dead = [corpse(f"i-d{n}", 500 - n) for n in range(6)]
    decision = decide(proven(*dead, *others, old=0), minimum="1", max_unavailable="4")
    assert len(decision.to_terminate) == goes
    assert decision.kind == ("replace" if goes else "hold")
    assert decision.look_again is bool(goes)


def test_with_proof_no_more_dead_go_than_the_minimum_allows() -> None:
    dead = [corpse(f"i-d{n}", 500 - n) for n in range(6)]
    decision = decide(proven(*dead, old=0), minimum="5", max_unavailable="6")
    assert decision.to_terminate == ("i-d0", "i-d1")


@pytest.mark.parametrize(
    ("failed", "taken", "others", "goes"),
    [
        (None, None, [], False),  # whoever is missing may be on its way
        (301, None, [], True),
        (299, None, [], False),  # launches fail since the release
        (400, 299, [], False),  # one has gone, and nothing came in its place
        (400, 301, [], True),
        (400, None, [unasked("i-p", "Pending")], False),
        (400, None, [member("i-a", "1", up=950)], True),
        (400, None, [member("i-a", "1", up=950), member("i-b", "1", up=950)], False),
    ],
)
def test_without_proof_one_dead_goes_where_others_cannot_be_launched_and_too_few_serve(
    failed: float | None, taken: float | None, others: list[Instance], *, goes: bool
) -> None:
    dead = [hung(f"i-d{number}", 900) for number in range(4)]
    of = group(
        *dead,
        *others,
        desired=len(dead) + len(others) + 2,
        failed_launches=(ago(failed),) if failed else (),
        taken=((ago(500), ago(taken)),) if taken else (),
        released=released("2", since=300),
    )
    decision = decide(of, minimum="2")
    assert decision.to_terminate == (("i-d0",) if goes else ())


@pytest.mark.parametrize(
    ("serve", "failing", "goes"), [(2, True, 2), (2, False, 0), (3, True, 0), (3, False, 0)]
)
def test_with_proof_the_dead_do_not_wait_for_what_cannot_be_launched_while_too_few_serve(
    serve: int, goes: int, *, failing: bool
) -> None:
    dead = [hung(f"i-d{number}", 900) for number in range(5)]
    of = group(
        *dead,
        *(member(f"i-n{number}", "2", up=100 + number) for number in range(serve)),
        desired=len(dead) + serve + 2,
        failed_launches=(ago(50),) if failing else (),
        released=released("2", since=300),
    )
    decision = decide(of, minimum="3", max_unavailable="2")
    assert len(decision.to_terminate) == goes


def test_baking_does_not_hold_the_dead() -> None:
    of = group(*fleet(corpse(), member("i-n", "2", up=5)), released=released("2", since=35))
    assert decide(of, **{**TIGHT, "bake_time": "1h"}).to_terminate == ("i-dead",)


@pytest.mark.parametrize(
    ("dead", "others", "goes"),
    [
        # They came 50 minutes after the last that runs the target: the next goes 50 after that.
        ([corpse("i-x", 50)], [], True),
        ([corpse("i-x", 49)], [], False),
        ([corpse("i-x", 50), corpse("i-y", 49)], [], False),  # the newest counts
        ([corpse("i-x", 500, served=40, taken_from_pool=ago(49))], [], True),  # held from before
        ([corpse("i-x", 290, served=40, taken_from_pool=ago(49))], [], False),  # made since
        ([corpse("i-x", 55), corpse("i-y", 51)], [], True),
        ([corpse("i-x", 60)], [member("i-z", None, up=20)], False),  # this may be the next
        ([corpse("i-x", 60)], [unasked("i-z", "Pending")], False),
        ([corpse("i-x", 60)], [member("i-z", "2", up=20)], True),  # boots work again
        ([member("i-x", "1", up=49, traffic=ILL)], [], False),
        ([member("i-x", "1", up=50, traffic=ILL)], [], True),
    ],
)
def test_failed_and_stale_boots_go_one_at_a_time_at_doubling_distances(
    dead: list[Instance], others: list[Instance], *, goes: bool
) -> None:
    of = group(
        member("i-a", "2", up=100, traffic=SERVES),
        member("i-b", "2", up=100, traffic=SERVES),
        *dead,
        *others,
        released=released("2", since=300),
    )
    decision = decide(of, minimum="1", max_unavailable="100%")
    assert decision.to_terminate == (("i-x",) if goes else ())
    assert decision.look_again is goes


@pytest.mark.parametrize(("others", "goes"), [(0, True), (1, False)])
def test_a_failed_boot_too_needs_room_under_max_unavailable(others: int, *, goes: bool) -> None:
    hidden = [member(f"i-h{n}", None, up=900, traffic=SERVES) for n in range(others)]
    of = proven(corpse("i-x", 45), *hidden, old=0)
    decision = decide(of, minimum="1", max_unavailable="1")
    assert decision.to_terminate == (("i-x",) if goes else ())


def test_where_since_is_unknown_dead_stale_boots_double_their_distance_too() -> None:
    ill = [member(f"i-{n}", "1", up=100 + n, traffic=ILL) for n in range(3)]
    of = group(member("i-a", "2", up=300), *ill, member("i-n", "2", up=90))
    decision = decide(of, minimum="1", max_unavailable="100%")
    assert (decision.hold, decision.to_terminate) == ("dead_wait", ())
    assert decision.reason == "i-2 is dead, but the next one goes in 100 minutes"


def test_where_dead_and_outdated_wait_the_outdated_are_served() -> None:
    of = proven(corpse("i-x", 60), new=150, released=released("2", since=200))
    decision = decide(of, **BUDGET)
    assert not decision.look_again
    assert (decision.kind, len(decision.to_terminate)) == ("replace", 3)


def test_with_only_dead_ones_left_that_may_not_go_the_reason_says_why() -> None:
    on_target = [member(f"i-{n}", "1.0.275", up=20 - n) for n in range(2)]
    of = group(*on_target, corpse(), desired=4, released=released("1.0.275", since=35))
    decision = decide(of, **TIGHT)
    assert (decision.hold, decision.reason) == (
        "dead_wait",
        "i-dead is dead, but 1 in flight and 0 others unavailable leave no room",
    )


@pytest.mark.parametrize(
    ("dead", "others", "reason"),
    [
        (corpse(up=900), [unasked("i-x", "Pending")], "1 in flight"),
        (
            corpse(up=900),
            [member("i-x", None, up=5)],
            "i-x may be a boot of 2 that has not come up",
        ),
        (
            member("i-dead", "1", up=40, traffic=ILL),
            [],
            "i-dead may be a boot of 2 that has not come up",
        ),
    ],
)
def test_where_all_are_dead_the_reason_says_for_which_canary_they_wait(
    dead: Instance, others: list[Instance], reason: str
) -> None:
    decision = decide(group(dead, *others, released=released("2", since=60)), minimum="0")
    assert (decision.hold, decision.reason) == ("dead_wait", f"i-dead is dead, but {reason}")


@pytest.mark.parametrize(
    ("dead", "others", "minimum", "reason"),
    [
        (corpse("i-x", 48.5), [], "1", "the next one goes in 3 minutes"),
        (corpse("i-x", 48.5), [unasked("i-y", "Pending")], "1", "1 in flight"),
        (corpse("i-x", 900), [], "3", "only 3 could serve, minimum 3"),
    ],
)
def test_with_proof_a_dead_one_that_waits_says_for_what(
    dead: Instance, others: list[Instance], minimum: str, reason: str
) -> None:
    up = [member(f"i-{n}", "2", up=100, traffic=SERVES) for n in range(2)]
    of = group(*up, dead, *others, released=released("2", since=300))
    decision = decide(of, minimum=minimum, max_unavailable="100%")
    assert (decision.hold, decision.reason) == ("dead_wait", f"i-x is dead, but {reason}")


# The canary.


def test_without_proof_one_canary_goes() -> None:
    of = group(*[member(f"i-{n}", up=900 - n) for n in range(3)], released=released("2", since=1))
    decision = decide(of, **FAST)
    assert (decision.kind, decision.to_terminate) == ("canary", ("i-0",))
    assert decision.reason == "i-0 goes first, to prove 2"


def test_a_canary_needs_budget_too() -> None:
    of = group(member("i-a"), released=released("2", since=1))
    assert decide(of).hold == "no_budget"
    assert decide(of, minimum="0").to_terminate == ("i-a",)


# What a decision tells.


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
        target="1.0.275",
        source="released",
        lowest="1.0.266",
        highest="1.0.274",
        stale=3,
        overdue=1,
        since=ago(300),
        behind=timedelta(minutes=300),
    )


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (group(member("i-a", "2"), member("i-b", "2")), "2 instances on 2"),
        (group(), "no instance is wanted"),
    ],
)
def test_a_group_that_has_converged_says_so(of: Group, reason: str) -> None:
    decision = decide(of)
    assert (decision.kind, decision.reason, decision.hold) == ("converged", reason, None)


# What both plans chose.


def test_only_those_go_that_the_plan_before_acting_chooses_again() -> None:
    before = plan(three(), policy(**FAST), NOW)
    fewer = replace(three(), instances=three().instances[1:], desired=2)
    now = plan(fewer, policy(**FAST), NOW)
    assert confirmed(before, now).to_terminate == ("i-0ae0fbd754e6d71d9",)


HELD = Decision("hold", "paused", hold="paused")
BATCH = Decision("replace", "2 fit", to_terminate=("i-a", "i-b"))
CANARY = Decision("canary", "i-a goes first", to_terminate=("i-a",))
DEAD = Decision("canary", "dead", to_terminate=("i-a",), look_again=True)


@pytest.mark.parametrize(
    ("before", "now", "hold"),
    [
        (BATCH, HELD, "paused"),
        (BATCH, replace(BATCH, to_terminate=("i-c",)), "group_changed"),
        (BATCH, CANARY, "group_changed"),  # the zip was not read
        (CANARY, DEAD, "group_changed"),  # nobody looked again
        (DEAD, CANARY, "group_changed"),
    ],
)
def test_where_the_plans_have_nothing_in_common_nothing_goes(
    before: Decision, now: Decision, hold: str
) -> None:
    decision = confirmed(before, now)
    assert (decision.hold, decision.to_terminate) == (hold, ())


def test_where_proof_has_come_in_between_the_canary_goes_with_it() -> None:
    assert confirmed(CANARY, BATCH).to_terminate == ("i-a",)


def test_the_rules_are_the_same_however_many_there_are() -> None:
    """A thousand instances are planned like ten."""
    of = proven(old=1000)
    assert len(decide(of, minimum="50%").to_terminate) == 250
    assert state_of(of).minimum == 501


@pytest.mark.parametrize("late", [True, False])
def test_one_that_has_changed_needs_attention_if_it_is_late(*, late: bool) -> None:
    now = replace(BATCH, to_terminate=("i-c",), needs_attention=late)
    assert confirmed(BATCH, now).needs_attention == late


@pytest.mark.parametrize(
    ("taken", "goes"),
    [
        ([], True),
        ([(400, 35)], True),  # it was launched before the release
        ([(290, 61)], True),
        ([(290, 59)], False),  # one has gone: twice canary-retry
        ([(290, 200), (190, 121)], True),
        ([(290, 200), (190, 119)], False),
        ([(290, 285), (280, 275), (270, 265), (260, 255), (250, 245), (240, 235)], False),
    ],
)
def test_the_more_boots_of_a_target_have_gone_the_longer_the_next_failed_one_stays(
    taken: list[tuple[float, float]], *, goes: bool
) -> None:
    of = group(
        member("i-a", "1.0.274", up=290),
        member("i-b", "1.0.274", up=280),
        member("i-x", None, up=200),
        taken=tuple((ago(launched), ago(end)) for launched, end in taken),
        released=released("1.0.274", since=300),
    )
    decision = decide(of, minimum="1", canary_retry="30m")
    assert decision.to_terminate == (("i-x",) if goes else ())


@pytest.mark.parametrize(
    ("taken", "came_up", "goes"),
    [
        ((200, 190, 180, 61), (), False),
        ((200, 190, 180, 121), (150,), True),
        ((200, 190, 180, 119), (150,), False),
        ((200, 190, 180, 121), (9,), False),  # it has not baked
        ((200, 190, 180, 121), (201,), False),  # it was there before the first was taken
        ((200, 190, 180, 61), (150, 140), True),
        ((200, 190, 180, 59), (150, 140), False),
        ((200, 198, 196, 194, 192, 121), (150, 140, 130, 120), True),  # four of eight are forgiven
        ((200, 198, 196, 194, 192, 119), (150, 140, 130, 120), False),
    ],
)
def test_boots_that_came_up_since_make_up_for_two_that_have_gone_each(
    taken: tuple[float, ...], came_up: tuple[float, ...], *, goes: bool
) -> None:
    good = [member(f"i-{up}", "1.0.274", up=up) for up in came_up]
    others = [member(f"i-o{number}", "1.0.274", up=290) for number in range(7 - len(good))]
    of = group(
        *good,
        *others,
        member("i-x", None, up=205),
        taken=tuple((ago(250), ago(end)) for end in taken),
        released=released("1.0.274", since=300),
    )
    decision = decide(of, minimum="1", canary_retry="30m")
    assert decision.to_terminate == (("i-x",) if goes else ())


@pytest.mark.parametrize(
    ("taken", "ended", "goes"),
    [
        (0, 0, 2),
        (4, 5, 2),
        (5, 5, 1),  # as many as the group has
        (6, 61, 1),
        (6, 59, 0),
        (7, 121, 1),
        (7, 119, 0),
        (99, 959, 0),
        (99, 961, 1),
    ],
)
def test_where_others_come_up_each_stale_boot_after_as_many_as_the_group_has_doubles_the_wait(
    taken: int, ended: float, goes: int
) -> None:
    of = group(
        member("i-a", "2", up=290),
        member("i-b", "2", up=15),
        *(member(f"i-s{number}", "1", up=100 + number) for number in range(4)),
        taken=tuple((ago(250), ago(ended + number)) for number in range(taken)),
        released=released("2", since=300),
    )
    decision = decide(of, minimum="1", max_unavailable="2", canary_retry="30m")
    assert len(decision.to_terminate) == goes
    assert decision.hold == (None if goes else "boots_stale")


@pytest.mark.parametrize("protected", [False, True])
def test_where_others_come_up_stale_boots_go_after_those_of_before(*, protected: bool) -> None:
    of = group(
        member("i-a", "2", up=240),
        member("i-o", "1", up=400, protected=protected),
        member("i-s", "1", up=250),
        taken=tuple((ago(250), ago(20)) for _ in range(3)),
        released=released("2", since=300),
    )
    decision = decide(of, minimum="1", max_unavailable="2")
    assert decision.to_terminate == (() if protected else ("i-o",))
    assert decision.hold == ("boots_stale" if protected else None)


@pytest.mark.parametrize(
    ("canaries", "others", "goes"),
    [
        ([hung("i-x", 31)], [], False),  # it came 269 minutes after the release
        ([hung("i-x", 150)], [], True),
        ([hung("i-x", 149)], [], False),
        ([hung("i-x", 290), hung("i-y", 151)], [], True),
        ([hung("i-x", 290), hung("i-y", 149)], [], False),  # the newest counts
        ([hung("i-x", 290, served=31)], [], True),
        ([hung("i-x", 290, served=29)], [], False),  # it may come up yet
        ([corpse("i-x", 290)], [], False),  # nobody but the probe sees that it is silent
        ([corpse("i-x", 290, traffic=SERVES)], [], False),
        ([member("i-x", "2", up=290, traffic=ILL)], [], False),  # that is no matter of the host
        ([hung("i-x", 290)], [unasked("i-p", "Pending")], False),
        ([hung("i-x", 290)], [member("i-a", "1", up=950)], True),  # fewer than the minimum
        ([hung("i-x", 290)], [member(f"i-a{n}", "1", up=950) for n in range(2)], False),
    ],
)
def test_of_a_group_that_is_down_the_next_goes_where_the_first_canary_was_lost(
    canaries: list[Instance], others: list[Instance], *, goes: bool
) -> None:
    dead = [hung(f"i-d{number}", 900) for number in range(3)]
    of = group(*dead, *canaries, *others, released=released("2", since=300))
    decision = decide(of, minimum="2", canary_retry="30m")
    assert decision.to_terminate == (("i-d0",) if goes else ())


@pytest.mark.parametrize(
    ("taken", "goes"), [(0, ["i-s", "i-t"]), (5, ["i-s"]), (6, ["i-o"])]
)  # of six
def test_stale_boots_above_the_target_go_before_what_is_below_in_their_time(
    taken: int, goes: list[str]
) -> None:
    of = group(
        member("i-a", "2", up=200),
        member("i-b", "2", up=15),
        member("i-c", "2", up=14),
        member("i-o", "1", up=900),
        member("i-s", "3", up=110),
        member("i-t", "3", up=100),
        taken=tuple((ago(250), ago(20)) for _ in range(taken)),
        released=released("2", since=300),
    )
    decision = decide(of, minimum="1", max_unavailable="2")
    assert list(decision.to_terminate) == goes


@pytest.mark.parametrize("taken", [0, 9])
def test_no_bake_time_holds_a_stale_boot_above_the_target_but_its_own_time(taken: int) -> None:
    of = group(
        member("i-b", "2", up=15),
        member("i-o", "1", up=900),
        member("i-s", "3", up=100),
        taken=tuple((ago(250), ago(20)) for _ in range(taken)),
        released=released("2", since=300),
    )
    decision = decide(of, minimum="1", max_unavailable="2", bake_time="9h")
    assert decision.to_terminate == (() if taken else ("i-s",))
    assert decision.hold == ("boots_stale" if taken else None)
