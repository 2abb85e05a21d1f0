"""One canary for the app: which of its groups goes first, and who waits for whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from terminator.decide.app import (
    Planned,
    goes_before,
    is_proven,
    let_others_first,
    name_who_waits,
)
from terminator.decide.plan import plan
from terminator.model import (
    Decision,
    Group,
    Instance,
    Launches,
    NoRelease,
    NotProbed,
    Origin,
    Released,
)
from tests.decide.builders import (
    FAST,
    ILL,
    NOW,
    ago,
    group,
    member,
    policy,
    released,
    state_of,
    unasked,
)

TARGET = released("2", since=60)
SHUT = {"window": "Sat-Sun 09:00-17:00 UTC"}


def named(name: str, *members: Instance, **more: Any) -> Group:
    """Return a group of the app that has a grace period of five minutes."""
    of = group(*members, **{"released": TARGET, "grace": 5, **more})
    return replace(of, name=name)


def planned(of: Group, **texts: str) -> Planned:
    its = {**FAST, "bake_time": "10m", **texts}
    return Planned(state_of(of, **its), plan(of, policy(**its), NOW))


OLD = [member("i-a", up=900), member("i-b", up=800)]
WAITS = planned(named("second", *OLD))  # would send a canary


def decided(*others: Planned, one: Planned = WAITS) -> Decision:
    return let_others_first(one.decision, one, [one, *others])


def test_a_group_whose_app_has_no_other_group_sends_its_canary() -> None:
    assert decided().kind == "canary"


OUT = {
    "in flight": named("first", *OLD, unasked("i-c", "Pending")),
    "missing": named("first", *OLD, desired=3),
    "silent": named("first", *OLD, member("i-c", None, up=10)),
    "overdue": named("first", *OLD, member("i-c", None, up=50)),
    "unserving": named("first", *OLD, member("i-c", "2", up=10, traffic=ILL)),
    "in its grace period": named("first", *OLD, member("i-c", "2", up=4)),
    "baking": named("first", *OLD, member("i-c", "2", up=14)),
    "alone in its grace period": named("first", member("i-c", "2", up=4)),
    "alone and silent": named("first", member("i-c", None, up=10)),
}


@pytest.mark.parametrize("out", OUT.values(), ids=OUT)
def test_a_group_without_proof_waits_while_another_of_its_app_has_a_canary_out(out: Group) -> None:
    decision = decided(planned(out))
    assert (decision.hold, decision.to_terminate) == ("another_group_first", ())
    assert decision.reason == "one canary for the app: 2 is tried in first first"


NOT_OUT = {
    "none has gone": named("first", *OLD),
    "it has proof and has baked": named("first", *OLD, member("i-c", "2", up=16)),
    "its boot is stale": named("first", *OLD, member("i-c", up=10)),
    "its canary was of before": named("first", *OLD, member("i-c", None, up=70)),
    "it runs another app's release": named(
        "first", *OLD, unasked("i-c", "Pending"), released=released("3", since=60)
    ),
    "it has no release": named("first", *OLD, member("i-c", None), released=NoRelease("none")),
}


@pytest.mark.parametrize("other", NOT_OUT.values(), ids=NOT_OUT)
def test_it_does_not_wait_where_no_canary_is_out(other: Group) -> None:
    assert decided(planned(other)).kind == "canary"


INACTIVE: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "paused": ({}, {"pause": "freeze"}),
    "deleting": ({"status": "Delete in progress"}, {}),
    "operator": ({"operator": "eks"}, {}),
    "suspended": ({"suspended": frozenset({"Launch"})}, {}),
    "weighted": ({"capacity_type": "vcpu"}, {}),
    "lattice": ({"unknown_sources": ("lattice",)}, {}),
    "window": ({}, SHUT),
}


@pytest.mark.parametrize(("seen", "texts"), INACTIVE.values(), ids=INACTIVE)
@pytest.mark.parametrize("out", OUT.values(), ids=OUT)
def test_nobody_waits_for_a_group_that_could_not_act(
    out: Group, seen: dict[str, Any], texts: dict[str, str]
) -> None:
    assert decided(planned(replace(out, **seen), **texts)).kind == "canary"


def test_nobody_waits_for_a_group_whose_settings_cannot_be_read() -> None:
    broken = replace(policy(), problems=("tag x",))
    state = replace(planned(OUT["silent"]).state, policy=broken)
    one = Planned(state, plan(OUT["silent"], broken, NOW))
    assert decided(one).kind == "canary"


def test_where_a_bad_release_is_left_the_dead_wait_for_no_other_group_to_bake() -> None:
    baking = planned(OUT["baking"])
    bad = [member("i-b", "3", up=800), member("i-c", "3", up=800)]
    dead = member("i-a", None, up=900, traffic=ILL)
    for others, hold in ((bad, None), (OLD, "another_group_first")):
        one = planned(named("second", dead, *others))
        assert one.decision.goes == ("i-a",)
        assert decided(baking, one=one).hold == hold


def test_after_three_hours_of_failing_launches_nobody_waits_for_what_is_missing() -> None:
    of = replace(OUT["missing"], failed_launches=(ago(170),))
    assert decided(planned(of)).kind == "hold"
    assert decided(planned(replace(of, failed_launches=(ago(190),)))).kind == "canary"


PROVEN = planned(named("third", member("i-c", "2", up=16), member("i-d", "2", up=2)))


@pytest.mark.parametrize("out", OUT.values(), ids=OUT)
def test_once_any_group_has_proof_and_has_baked_none_waits(out: Group) -> None:
    assert decided(planned(out), PROVEN).kind == "canary"
    assert decided(PROVEN, planned(out)).kind == "canary"


@pytest.mark.parametrize(("seen", "texts"), INACTIVE.values(), ids=INACTIVE)
def test_the_proof_of_a_group_that_could_not_act_counts_too(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    proven = planned(replace(PROVEN.state.group, **seen), **texts)
    assert decided(planned(OUT["silent"]), proven).kind == "canary"


@pytest.mark.parametrize(
    ("of", "texts", "is_it"),
    [
        (named("x", member("i-c", "2", up=15)), {}, True),
        (named("x", member("i-c", "2", up=14)), {}, False),
        (named("x", member("i-c", "2", up=50)), {"bake_time": "1h"}, False),
        (named("x", member("i-c", "2", up=50), released=released("3", since=60)), {}, False),
        (named("x", *OLD), {}, False),
        (named("x"), {}, False),
    ],
)
def test_an_app_is_proven_by_any_group_with_proof_of_the_target_that_has_baked(
    of: Group, texts: dict[str, str], *, is_it: bool
) -> None:
    assert is_proven([WAITS, planned(of, **texts)], WAITS.state) is is_it


def test_a_group_with_proof_of_its_own_waits_for_nobody() -> None:
    one = planned(named("second", *OLD, member("i-c", "2", up=40)))
    assert one.decision.kind == "replace"
    assert decided(planned(OUT["silent"]), one=one) is one.decision


def test_a_dead_one_that_goes_without_proof_is_a_canary_too() -> None:
    one = planned(named("second", member("i-a", None, up=900), member("i-b", None, up=800)))
    assert one.decision.look_again
    assert decided(planned(OUT["silent"]), one=one).hold == "another_group_first"


def test_the_way_back_waits_for_a_canary_but_not_for_baking() -> None:
    back = [member("i-a", "3", up=900), member("i-b", "3", up=800)]
    one = planned(named("second", *back))
    assert decided(planned(OUT["baking"]), one=one).kind == "canary"
    assert decided(planned(OUT["silent"]), one=one).kind == "hold"


def test_whether_it_goes_back_is_told_by_the_one_that_goes() -> None:
    kept = [member("i-a", "3", up=900, protected=True), member("i-b", "1", up=800)]
    one = planned(named("second", *kept))
    assert one.decision.to_terminate == ("i-b",)
    assert decided(planned(OUT["baking"]), one=one).kind == "hold"


@pytest.mark.parametrize("target", [None, released("2", since=None)])
def test_it_waits_although_nothing_dates_the_target(target: Released | None) -> None:
    """Without a bucket two groups try the same version if it is the highest in both."""
    back = named("second", member("i-r", "2", up=9000), *OLD, released=target)
    stale = planned(back, canary_retry="1m")
    one = Planned(stale.state, Decision("canary", "goes", to_terminate=("i-a",)))
    rogue = member("i-r", "2", up=9000)
    for seen in (unasked("i-c", "Pending"), member("i-c", None, up=10)):
        other = planned(named("first", rogue, *OLD, seen, released=target))
        assert decided(other, one=one).hold == "another_group_first"


def test_the_reason_names_all_that_are_tried() -> None:
    others = [planned(replace(OUT["silent"], name=name)) for name in ("a", "b\n")]
    assert decided(*others).reason == "one canary for the app: 2 is tried in a, b\\n first"


# One app after another.

STALE = named("api", *OLD)
BEHIND: dict[str, tuple[Group, str]] = {
    "outdated": (STALE, "api has 2 outdated"),
    "dead and outdated": (
        named("api", member("i-a", up=900), member("i-d", None, up=800)),
        "api has 1 outdated and 1 dead",
    ),
    "dead": (named("api", member("i-d", None, up=800)), "api has 1 dead"),
    "in its grace period": (
        named("api", member("i-n", "2", up=4)),
        "api has no proof of 2 yet",
    ),
    "on its way": (
        named("api", unasked("i-n", "Pending"), desired=1),
        "api has no proof of 2 yet",
    ),
    "silent": (named("api", member("i-n", None, up=40)), "api has no proof of 2 yet"),
    "without a release": (
        named("api", member("i-n", "2"), released=NoRelease("none")),
        "api has no proof of None yet",
    ),
    "paused": (replace(STALE, name="api\n"), "api\\n has 2 outdated"),
}


@pytest.mark.parametrize(("of", "why"), BEHIND.values(), ids=BEHIND)
def test_a_group_goes_before_while_it_is_behind_or_has_proved_nothing(of: Group, why: str) -> None:
    proven = planned(named("other", member("i-x", "2", up=60)))
    for groups in ([planned(of), proven], [proven, planned(of)], [planned(of, pause="freeze")]):
        assert goes_before("api", groups, []) == f"api goes first: {why}"


NEW = member("i-n", "2", up=60)
DONE = {
    "converged": named("api", NEW),
    "scaling out": named("api", NEW, unasked("i-o", "Pending"), member("i-p", "2", up=1)),
    "short of members": named("api", NEW, desired=9),
    "one is silent": named("api", NEW, member("i-s", None, up=10)),
    "none is wanted": named("api"),
    "one above desired": named("api", NEW, member("i-o", "2"), desired=1),
}


@pytest.mark.parametrize("of", DONE.values(), ids=DONE)
def test_one_that_has_followed_goes_before_nobody_however_it_scales(of: Group) -> None:
    assert goes_before("api", [planned(of)], []) is None


def test_one_that_could_not_be_observed_or_read_goes_before() -> None:
    broken = replace(planned(DONE["converged"]).state, policy=replace(policy(), problems=("x",)))
    groups = [Planned(broken, Decision("hold", "x"))]
    assert goes_before("api", groups, ["b"]) == (
        "api goes first: b could not be observed; api has settings that cannot be read"
    )


def test_what_follows_its_template_goes_before_by_that() -> None:
    launches = Launches(Origin("lt-1", 2))
    of = replace(
        named("api", replace(NEW, answer=NotProbed(), origin=Origin("lt-1", 1))),
        launches=launches,
        released=None,
    )
    assert goes_before("api", [planned(of, follow="template")], []) == (
        "api goes first: api has 1 outdated"
    )
    done = replace(of, launches=replace(launches, own=Origin("lt-1", 1)))
    assert goes_before("api", [planned(done, follow="template")], []) is None


# An overdue canary tells who waits for it.


def test_an_overdue_canary_names_the_groups_that_wait_for_it() -> None:
    one = planned(OUT["overdue"])
    third = planned(named("third", *OLD))
    decision = name_who_waits(one.decision, one, [one, WAITS, third])
    assert decision.reason == f"{one.decision.reason}; waiting for it: second, third"
    assert decision.hold == one.decision.hold


def test_one_of_several_that_is_overdue_is_enough() -> None:
    silent = [member("i-c", None, up=50), member("i-d", None, up=5)]
    one = planned(named("first", *OLD, *silent))
    assert name_who_waits(one.decision, one, [one, WAITS]).reason.endswith("second")


def test_so_does_one_that_is_alone_in_its_group() -> None:
    one = planned(named("first", member("i-c", None, up=50)))
    assert one.decision.hold == "nothing_available"
    decision = name_who_waits(one.decision, one, [one, WAITS])
    assert decision.reason.endswith("; waiting for it: second")


def test_where_none_waits_none_is_named() -> None:
    one = planned(OUT["overdue"])
    others = [
        [one],
        [one, planned(OUT["silent"])],  # it has a canary of its own
        [one, WAITS, PROVEN],
        [one, planned(named("second", *OLD, released=released("3", since=60)))],
    ]
    for app in others:
        assert name_who_waits(one.decision, one, app) is one.decision
    young = planned(OUT["silent"])
    assert name_who_waits(young.decision, young, [young, WAITS]) is young.decision
    paused = planned(OUT["overdue"], pause="freeze")
    assert name_who_waits(paused.decision, paused, [paused, WAITS]) is paused.decision


def test_an_overdue_canary_needs_a_person_after_three_hours() -> None:
    late = released("2", since=181)
    for of in (OUT["overdue"], named("first", member("i-c", None, up=181))):
        assert planned(replace(of, released=late)).decision.needs_attention
        assert not planned(of).decision.needs_attention


def test_groups_that_wait_do_not_need_a_person_for_that_alone() -> None:
    assert not decided(planned(OUT["overdue"])).needs_attention
    assert WAITS.state.behind == timedelta(minutes=60)
