"""What is asked only of a group that would act: window, refresh, alarms and the zip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from terminator.decide.plan import guard, plan
from terminator.model import Alarm, Decision, Instance, Preflight
from tests.decide.builders import (
    FAST,
    ILL,
    NOW,
    GuardedGroup,
    ago,
    decide,
    group,
    member,
    policy,
    released,
)

SHUT_WINDOW = "Sat-Sun 09:00-17:00 Europe/London"
RINGS = Alarm("errors", "ALARM", ago(20), NOW)
WAS_LATELY = Alarm("errors", "OK", ago(4), ago(4))


def ready(**more: Any) -> GuardedGroup:
    """Return a group of which two outdated instances would go."""
    return group(
        member("i-a", up=30), member("i-b", up=20), member("i-n", "1.0.274", up=10), **more
    )


def under(*alarms: Alarm) -> dict[str, Any]:
    return {"guards": Preflight(alarms=alarms)}


@pytest.mark.parametrize(
    ("seen", "texts", "hold", "reason"),
    [
        (
            {},
            {"window": SHUT_WINDOW},
            "window_closed",
            f"outside the maintenance window {SHUT_WINDOW}",
        ),
        (
            {"guards": Preflight(refresh="Baking")},
            {},
            "instance_refresh",
            "an instance refresh is in progress (Baking)",
        ),
        (under(RINGS), {}, "alarm", 'alarm "errors" is in ALARM'),
        (under(Alarm("example alarm", None)), {}, "alarm", 'alarm "example alarm" does not exist'),
        (
            under(RINGS, Alarm("b", "OK"), Alarm("c", None)),
            {},
            "alarm",
            'alarm "errors" is in ALARM; alarm "c" does not exist',
        ),
        (
            under(WAS_LATELY),
            {"bake_time": "9m"},
            "alarm_lately",
            'alarm "errors" was in ALARM 4 minutes ago; it has to stay OK for 5 minutes',
        ),
    ],
)
def test_a_guard_holds_a_group_that_would_act(
    seen: dict[str, Any], texts: dict[str, str], hold: str, reason: str
) -> None:
    assert decide(ready(), **{**FAST, **texts, "window": "always"}).kind == "replace"
    decision = decide(ready(**seen), **{**FAST, **texts})
    assert (decision.kind, decision.hold, decision.reason) == ("hold", hold, reason)
    assert decision.to_terminate == ()


@pytest.mark.parametrize(
    "alarm",
    [
        Alarm("errors", "OK"),
        Alarm("errors", "OK", ago(90), ago(90)),
        Alarm("errors", "OK", ago(9), ago(9)),
        Alarm("errors", "INSUFFICIENT_DATA", ago(1)),
    ],
)
def test_an_alarm_that_has_been_out_of_alarm_for_the_bake_time_holds_nothing(alarm: Alarm) -> None:
    assert decide(ready(**under(alarm)), **{**FAST, "bake_time": "9m"}).kind == "replace"


def test_one_that_flaps_holds_whatever_its_state_is_now() -> None:
    flaps = Alarm("errors", "INSUFFICIENT_DATA", ago(1), ago(1))
    assert decide(ready(**under(flaps)), **{**FAST, "bake_time": "5m"}).hold == "alarm_lately"


@pytest.mark.parametrize(
    ("seen", "texts"),
    [
        ({"guards": Preflight(refresh="Baking", alarms=(RINGS,))}, {"window": SHUT_WINDOW}),
        ({"guards": Preflight(refresh="Baking", alarms=(RINGS, WAS_LATELY))}, {}),
        ({"guards": Preflight(alarms=(RINGS, WAS_LATELY))}, {}),
        ({"guards": Preflight(alarms=(WAS_LATELY,))}, {}),
    ],
)
def test_of_two_guards_the_first_in_order_is_the_reason(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    order = ["window_closed", "instance_refresh", "alarm", "alarm_lately"]
    known = seen["guards"]
    holds = [bool(texts), bool(known.refresh), RINGS in known.alarms, WAS_LATELY in known.alarms]
    decision = decide(ready(**seen), **{**FAST, **texts, "bake_time": "9m"})
    assert decision.hold == order[holds.index(True)]


def test_a_group_that_would_not_act_is_not_asked() -> None:
    whole = group(member("i-a"), member("i-b"))
    decision = plan(whole, policy(window=SHUT_WINDOW), NOW)
    assert guard(decision, whole, policy(window=SHUT_WINDOW), NOW, Preflight("Baking")) is decision


# They must not keep a bad release in place.

SHUT = [({}, {"window": SHUT_WINDOW}), (under(RINGS), {}), (under(Alarm("errors", None)), {})]


def backwards(*others: Instance, **more: Any) -> GuardedGroup:
    return group(
        member("i-a", "1.0.200", up=90),
        member("i-b", "1.0.266", up=80),
        *others,
        released=released("1.0.266", since=45),
        **more,
    )


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_what_is_above_the_target_goes_in_a_closed_window_and_under_alarms(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = backwards(member("i-bad", "1.0.274", up=50), **seen)
    assert decide(of, **{**FAST, **texts}).to_terminate == ("i-bad",)


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_one_above_the_target_that_is_not_available_is_held_like_any_other_dead_one(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = backwards(member("i-bad", "1.0.274", up=85, traffic=ILL), **seen)
    assert decide(replace(of, guards=Preflight()), **FAST).to_terminate == ("i-bad",)
    assert decide(of, **{**FAST, **texts}).to_terminate == ()


@pytest.mark.parametrize(("seen", "texts"), SHUT)
@pytest.mark.parametrize(("newest", "goes"), [(900, True), (41, True), (40, False), (39, False)])
def test_a_dead_one_goes_in_a_closed_window_if_it_came_after_every_available_one(
    seen: dict[str, Any], texts: dict[str, str], newest: float, *, goes: bool
) -> None:
    of = group(
        member("i-a", up=900),
        member("i-b", up=newest),
        member("i-dead", None, up=40),
        released=released("2", since=35),
        **seen,
    )
    assert decide(replace(of, guards=Preflight()), **FAST).to_terminate == ("i-dead",)
    decision = decide(of, **{**FAST, **texts})
    assert decision.to_terminate == (("i-dead",) if goes else ())
    assert decision.look_again is goes


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_where_nothing_is_available_every_dead_one_goes_in_a_closed_window(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    dead = [member("i-d0", None, up=50), member("i-d1", None, up=40)]
    of = group(*dead, released=released("2", since=35), **seen)
    assert decide(of, minimum="0", **texts).to_terminate == ("i-d0",)


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_of_a_rollout_in_a_closed_window_at_most_the_rogue_goes(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = group(
        member("i-r", "999.0.0", up=990),
        *[member(f"i-{n}", "1.0.274", up=900 + n) for n in range(4)],
        member("i-n", "1.0.275", up=60),
        released=released("1.0.275", since=90),
        **seen,
    )
    assert decide(of, **{**FAST, **texts}).to_terminate == ("i-r",)


def test_another_build_of_the_target_is_not_above_it_and_is_held() -> None:
    of = group(member("i-a", "1.0+b"), released=released("1.0+a", since=30), **under(RINGS))
    assert decide(of, minimum="0").hold == "alarm"


def test_a_refresh_holds_even_a_rollback() -> None:
    of = backwards(member("i-bad", "1.0.274", up=50), guards=Preflight(refresh="InProgress"))
    assert decide(of, **FAST).hold == "instance_refresh"


def test_what_one_guard_leaves_the_next_may_hold() -> None:
    rogue = member("i-bad", "1.0.274", up=50)
    shut = {**FAST, "window": SHUT_WINDOW}
    assert decide(backwards(rogue, **under(RINGS)), **shut).to_terminate == ("i-bad",)
    held = backwards(rogue, guards=Preflight("InProgress", (RINGS,)))
    assert decide(held, **shut).hold == "instance_refresh"


def test_what_goes_under_a_guard_needs_attention_like_any_other_decision() -> None:
    of = backwards(member("i-bad", "1.0.274", up=5000), **under(RINGS))
    late = replace(of, released=released("1.0.266", since=3000))
    assert not decide(of, **FAST).needs_attention
    decision = decide(late, **FAST)
    assert (decision.to_terminate, decision.needs_attention) == (("i-bad",), True)


# The fix must be able to go out to those that set the alarm off.

AT_SINCE = replace(RINGS, changed=ago(300), at_since=True)
ONLY_THEN = replace(WAS_LATELY, at_since=True)


def fix(*others: Instance, **more: Any) -> GuardedGroup:
    bad = [member(f"i-{n}", "1.0.274", up=300 - n) for n in range(3)]
    return group(*bad, *others, released=released("1.0.275", since=60), **more)


@pytest.mark.parametrize("alarm", [AT_SINCE, ONLY_THEN])
def test_an_alarm_of_before_the_fix_does_not_hold_the_fix(alarm: Alarm) -> None:
    decision = decide(fix(**under(alarm)), **{**FAST, "bake_time": "9m"})
    assert (decision.kind, decision.to_terminate) == ("canary", ("i-0",))
    proven = fix(member("i-n", "1.0.275", up=30), **under(alarm))
    decision = decide(proven, **{**FAST, "bake_time": "9m"})
    assert decision.to_terminate == ("i-0", "i-1", "i-2")


def test_it_holds_what_was_created_since_or_within_the_doubt() -> None:
    for up in (59, 60.5):
        stale = member("i-s", "1.0.273", up=up)
        of = group(member("i-n", "1.0.275", up=58), stale, released=released("1.0.275", since=60))
        assert decide(of, **FAST).to_terminate == ("i-s",)
        assert decide(replace(of, guards=Preflight(alarms=(AT_SINCE,))), **FAST).hold == "alarm"


def test_it_does_not_hold_what_a_warm_pool_held_before_the_fix() -> None:
    held = member("i-p", "1.0.274", up=100, taken_from_pool=ago(50))
    of = group(held, released=released("1.0.275", since=60), **under(AT_SINCE))
    assert decide(of, minimum="0").to_terminate == ("i-p",)


@pytest.mark.parametrize(
    "other", [RINGS, Alarm("gone", None), WAS_LATELY], ids=["ALARM", "missing", "lately"]
)
def test_another_alarm_beside_it_holds_all(other: Alarm) -> None:
    for alarms in ((AT_SINCE, other), (other, AT_SINCE)):
        decision = decide(fix(**under(*alarms)), **{**FAST, "bake_time": "9m"})
        assert decision.kind == "hold"


def test_a_dead_one_of_before_the_fix_goes_too() -> None:
    of = group(
        member("i-dead", None, up=200),
        member("i-a", "1.0.274", up=100),
        released=released("1.0.275", since=60),
        **under(AT_SINCE),
    )
    assert decide(of, **FAST).to_terminate == ("i-dead",)


# The zip.


def test_an_unreadable_zip_holds_a_canary_but_not_a_proven_release() -> None:
    guards = Preflight(zip_problem="File is not a zip file")
    decision = decide(ready(released=released("1.0.275", since=5), guards=guards), **FAST)
    assert (decision.hold, decision.reason) == (
        "zip_unreadable",
        "the zip of 1.0.275 cannot be read: File is not a zip file",
    )
    proven = released("1.0.274", since=15)
    assert decide(ready(released=proven, guards=guards), **FAST).kind == "replace"


def test_without_proof_an_unreadable_zip_keeps_a_dead_one_too() -> None:
    """It goes as a canary: its replacement would boot that zip."""
    of = group(
        member("i-a"),
        member("i-b"),
        member("i-dead", None, up=40),
        released=released("2", since=35),
        guards=Preflight(zip_problem="File is not a zip file"),
    )
    assert decide(of, **FAST).hold == "zip_unreadable"
    proven = replace(of, instances=(*of.instances, member("i-n", "2", up=5)), desired=4)
    assert decide(proven, **FAST).to_terminate == ("i-dead",)


def test_the_zip_is_asked_last() -> None:
    guards = Preflight("Baking", (RINGS,), "cut")
    of = ready(released=released("1.0.275", since=5), guards=guards)
    names = []
    for left in (guards, replace(guards, refresh=None), Preflight(zip_problem="cut")):
        decision: Decision = decide(replace(of, guards=left), **FAST)
        names.append(decision.hold)
    assert names == ["instance_refresh", "alarm", "zip_unreadable"]


# Another app goes first.

AFTER: dict[str, Any] = {"guards": Preflight(other_app="api goes first: api has 1 outdated")}


@pytest.mark.parametrize("since", [15, 5])
def test_while_another_app_goes_first_nothing_moves_forward(since: float) -> None:
    of = ready(released=released("1.0.274" if since > 10 else "1.0.275", since=since))
    assert decide(of, **FAST).to_terminate
    decision = decide(replace(of, **AFTER), **FAST)
    assert (decision.hold, decision.to_terminate) == ("other_app_first", ())
    assert decision.reason == "api goes first: api has 1 outdated"


def test_the_way_back_goes_first_all_the_same_and_takes_nothing_else_along() -> None:
    of = backwards(member("i-bad", "1.0.274", up=50), **AFTER)
    assert decide(replace(of, guards=Preflight()), **FAST).kind == "canary"
    assert decide(of, **FAST).to_terminate == ("i-bad",)


@pytest.mark.parametrize("available", [0, 2])
def test_what_is_dead_waits_for_no_app(available: int) -> None:
    fine = [member("i-a", up=60), member("i-b", up=58)][:available]
    of = group(*fine, member("i-d", None, up=900), released=released("2", since=45), **AFTER)
    assert decide(of, minimum="0").to_terminate == ("i-d",)


def test_what_is_due_by_age_waits_for_no_app() -> None:
    of = group(member("i-a", up=90), member("i-b", up=80), **AFTER)
    decision = decide(of, **FAST, max_age="1h")
    assert (decision.kind, decision.to_terminate) == ("recycle", ("i-a",))


def test_what_stands_in_the_way_by_itself_is_told_before_what_waits() -> None:
    fresh = released("1.0.275", since=5)
    told = []
    for guards in (Preflight(alarms=(RINGS,)), Preflight(zip_problem="cut"), Preflight()):
        both = replace(guards, other_app="api goes first")
        told.append(decide(ready(released=fresh, guards=both), **FAST).hold)
    assert told == ["alarm", "zip_unreadable", "other_app_first"]


def test_in_a_closed_window_that_holds_what_is_left() -> None:
    of = backwards(member("i-bad", "1.0.274", up=50), **AFTER)
    assert decide(of, **{**FAST, "window": SHUT_WINDOW}).to_terminate == ("i-bad",)
    assert decide(ready(**AFTER), **{**FAST, "window": SHUT_WINDOW}).hold == "window_closed"


def test_held_for_another_app_a_group_needs_a_person_after_a_day() -> None:
    for since, needed in ((1430, False), (1450, True)):
        of = group(member("i-a", up=9000), released=released("2", since=since), **AFTER)
        decision = decide(of, minimum="0")
        assert (decision.hold, decision.needs_attention) == ("other_app_first", needed)
