"""What holds of every decision, whatever the group looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from terminator.config.tags import Policy
from terminator.decide.app import Planned, let_others_first, name_who_waits
from terminator.decide.group_state import GroupState
from terminator.decide.plan import confirmed, plan
from terminator.model import (
    Alarm,
    Answer,
    Decision,
    Group,
    Instance,
    NoRelease,
    NoVersion,
    Preflight,
    Release,
    Released,
    Traffic,
)
from terminator.version import Version
from tests.decide.builders import ALWAYS, NOW, GuardedGroup, ago, guarded_plan, policy

VERSIONS = ("1.0.200", "1.0.266", "1.0.274", "1.0.274+b", "1.0.274+c", "999.0.0")
ANSWERS: tuple[Answer, ...] = (*map(Version.parse, VERSIONS), NoVersion("timeout"))
ODDITIES: tuple[dict[str, Any], ...] = (
    *({},) * 80,
    {"lifecycle": "Pending:Wait", "answer": None},
    {"lifecycle": "Terminating:Wait"},
    {"lifecycle": "Terminating:Wait", "began_leaving": ago(50)},
    {"lifecycle": "Terminating:Retained"},
    {"lifecycle": "Detaching"},
    {"lifecycle": "Standby"},
    {"lifecycle": "Warmed:Stopped"},
    {"lifecycle": "New"},
    {"health": "Unhealthy"},
    {"running": False},
    {"in_service_since": None},
    {"answer": None},
    {"taken_from_pool": ago(40)},
    {"taken_from_pool": ago(4), "in_service_since": ago(2)},
    {"protected": True},
    {"traffic": Traffic(healthy=True)},
    {"traffic": Traffic("unhealthy", unhealthy=True)},
    {"traffic": Traffic("unhealthy", unhealthy=True)},
    {"traffic": Traffic("a zonal shift", healthy=True)},
    {"traffic": Traffic("not registered")},
    {"traffic": Traffic(unknown=True)},
)
ALARMS = (
    Alarm("rings", "ALARM", ago(20), NOW),
    Alarm("rang-at-since", "ALARM", ago(900), NOW, at_since=True),
    Alarm("gone", None),
    Alarm("lately", "OK", ago(2), ago(2)),
    Alarm("fine", "OK"),
)
minutes = st.sampled_from((0, 1, 4, 5, 20, 31, 45, 59.5, 60, 60.5, 61, 90, 600, 601, 900))

# Made once, not for each thing that is drawn.
kinds = st.sampled_from(("old", "old", "old", "old", "new", "new", "any"))
ups = {
    "old": st.sampled_from((61, 90, 600, 601, 900)),
    "new": st.sampled_from((31, 45, 50)),
    "any": minutes,
}
any_answer = st.sampled_from(ANSWERS)
# By their text: versions that differ in their build alone are equal.
mostly = {str(answer): st.sampled_from((answer,) * 9 + ANSWERS) for answer in ANSWERS}
oddities = st.sampled_from(ODDITIES)
alarms = st.sampled_from(ALARMS)
targets = st.sampled_from(tuple(map(Version.parse, VERSIONS)))
known_froms = st.sampled_from((ALWAYS, ALWAYS, ago(300), None))
doubts = st.sampled_from((1, 1, 30))
sizes = st.sampled_from((0, 1, 2, 2, 3, 4, 5, 6, 7, 8))
odds = st.integers(0, 40)
one_of_four = st.sampled_from((True, False, False, False))
excesses = st.sampled_from((*(0,) * 8, 1, -1, -9))
graces = st.sampled_from((0, 0, 5, 60))
minimums = st.sampled_from(("0", "0", "1", "1", "2", "50%", "100%"))
paces = st.sampled_from(("1", "2", "100%", "100%"))
bakes = st.sampled_from(("0m", "0m", "10m"))
windows = st.sampled_from((*("always",) * 4, "Sat-Sun 09:00-17:00 UTC"))


@st.composite
def instances(draw: st.DrawFn, number: int, old: Answer, new: Answer) -> Instance:
    """Return one of before that runs what is old, a boot of the target, or any other."""
    kind = draw(kinds)
    up, served = draw(ups[kind]), draw(minutes)
    answers = {"old": mostly[str(old)], "new": mostly[str(new)]}
    its = Instance(
        id=f"i-{number:02}",
        zone="abc"[number % 3],
        lifecycle="InService",
        health="Healthy",
        created=ago(up),
        in_service_since=ago(min(up, served) if served < 5 else up),
        answer=draw(answers.get(kind, any_answer)),
    )
    return replace(its, **draw(oddities))


@st.composite
def releases(draw: st.DrawFn, version: Version) -> Released:
    ends = sorted([draw(minutes), draw(minutes), draw(minutes)], reverse=True)
    known = draw(known_froms)
    return Released(
        Release(f"web/{version}.zip", version, ago(ends[0])),
        since=draw(st.sampled_from((ago(60), ago(60), ago(ends[2]), None))),
        doubt=timedelta(minutes=draw(doubts)),
        others=((ago(ends[0]), ago(ends[1])), (ago(ends[1]), ago(ends[2]))) if known else (),
        known_from=known,
        first_existed=ago(ends[2]) if known == ALWAYS else None,
    )


@st.composite
def groups(draw: st.DrawFn) -> GuardedGroup:
    size, odd = draw(sizes), draw(odds)
    old, target = draw(any_answer), draw(targets)
    released = None if draw(one_of_four) else draw(releases(target))
    return GuardedGroup(
        name="live_asg_web",
        desired=max(0, size + draw(excesses)),
        grace=timedelta(minutes=draw(graces)),
        instances=tuple(draw(instances(number, old, target)) for number in range(size)),
        released=NoRelease("no release") if odd == 0 else released,
        warmup=timedelta(minutes=20) if odd == 1 else None,
        healthy_percentage=90 if odd == 2 else None,
        warm_pool=odd == 3,
        failed_launches=(ago(3), ago(200)) if odd == 4 else (),
        guards=Preflight(
            refresh="InProgress" if odd == 5 else None,
            alarms=(draw(alarms),) if odd > 25 else (),
        ),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    its = policy(
        minimum=draw(minimums),
        max_unavailable=draw(paces),
        bake_time=draw(bakes),
        window=draw(windows),
    )
    return replace(its, minimum=None) if draw(one_of_four) else its


def observed(group: Group, of: Policy) -> tuple[GroupState, Decision, list[Instance]]:
    """Return the group in the words of the rules, what is decided, and who goes."""
    decision = guarded_plan(group, of, NOW)
    going = [each for each in group.instances if each.id in decision.to_terminate]
    return GroupState(group, of, NOW), decision, going


@given(groups(), policies(), st.randoms(use_true_random=False))
def test_the_order_of_a_listing_changes_nothing(group: Group, of: Policy, random: Random) -> None:
    shuffled = random.sample(group.instances, len(group.instances))
    again = replace(group, instances=tuple(shuffled))
    assert guarded_plan(again, of, NOW) == guarded_plan(group, of, NOW)


@given(groups(), policies())
def test_none_goes_that_is_on_target_and_available_protected_aside_or_in_flight(
    group: Group, of: Policy
) -> None:
    state, decision, going = observed(group, of)
    assert len(going) == len(decision.to_terminate) == len(set(decision.to_terminate))
    for each in going:
        assert not each.protected
        assert each.counted
        assert each.in_service
        assert each not in state.on_their_way
        assert not (state.on_target(each) and each.serves)


@given(groups(), policies())
def test_who_goes_is_available_and_outdated_or_dead_and_looked_at_again(
    group: Group, of: Policy
) -> None:
    state, decision, going = observed(group, of)
    for each in going:
        if decision.look_again:
            assert not each.serves
            assert state.is_overdue(each)
            assert not (each.silent and each.traffic.healthy)
            assert not state.on_target(each)
        else:
            assert each in state.available
            assert each.version is not None
            assert not state.on_target(each)


@given(groups(), policies())
def test_the_minimum_is_kept_by_what_is_available_and_what_may_come_back(
    group: Group, of: Policy
) -> None:
    """Except, while nothing is available, by those that a load balancer refuses."""
    state, decision, going = observed(group, of)
    if decision.look_again:
        could_serve = min(len(state.available) + len(state.overdue), group.desired)
        refused = [each for each in going if each.traffic.unhealthy or not each.silent]
        counted = [] if state.available else refused
        assert could_serve - len(going) >= state.minimum or counted == going
    elif going:
        assert min(len(state.available), group.desired) - len(going) >= state.minimum


@given(groups(), policies())
def test_what_is_out_of_this_release_and_what_goes_fit_max_unavailable(
    group: Group, of: Policy
) -> None:
    state, decision, going = observed(group, of)
    if not going:
        return
    away = [each for each in state.unavailable if not state.is_overdue(each)]
    if decision.look_again:
        others = [each for each in state.unavailable if each not in state.dead]
        room = state.max_unavailable - state.in_flight - len(others)
        assert not state.proof or len(going) <= room
        return
    if state.since is not None:
        away = [each for each in state.unavailable if each in away or state.since_then(each)]
    assert state.in_flight + len(away) + len(going) <= state.max_unavailable
    if state.since is None:
        assert len(state.leaving) + len(going) <= 2 * state.max_unavailable


@given(groups(), policies())
def test_without_proof_at_most_one_goes_and_none_of_since_then_that_may_yet_come_up(
    group: Group, of: Policy
) -> None:
    state, decision, going = observed(group, of)
    assert (decision.kind == "canary") == (bool(going) and not state.proof)
    if decision.kind != "canary":
        return
    assert len(going) == 1
    assert not state.missing
    assert not state.not_come_up
    of_since_then = [each for each in state.on_their_way if state.since_then(each)]
    assert not (of_since_then if state.since else state.on_their_way)
    if decision.look_again and state.since is not None:
        beyond = state.since + (state.doubt if going[0].version else timedelta(0))
        came = max(filter(None, (going[0].created, going[0].taken_from_pool)))
        assert came <= beyond


@given(groups(), policies())
def test_while_shut_only_bad_releases_go_and_their_last_boots_and_what_is_missed_goes_out(
    group: GuardedGroup, of: Policy
) -> None:
    """That is the fix of what rings an old alarm, and what replaces the dead of a fleet in need."""
    state, decision, going = observed(group, of)
    alarms = [alarm for alarm in group.guards.alarms if alarm.name != "fine"]
    if of.bake_time == timedelta(0):
        alarms = [alarm for alarm in alarms if alarm.name != "lately"]
    assert not (going and group.guards.refresh)
    newest = max((each.created for each in state.available if each.created), default=None)
    fix = of.window is None and all(alarm.at_since for alarm in alarms)
    for each in going if of.window or alarms else []:
        is_last = newest is None or (each.created is not None and each.created > newest)
        dead = decision.look_again
        is_bad = (is_last or state.lacks) if dead else state.above_target(each)
        all_serve_it = of.window is None and dead and state.proof and not state.outdated
        of_before = not state.since_then(each) or state.was_held(each)
        assert is_bad or ((fix or all_serve_it) and of_before)


@given(groups(), policies())
def test_every_decision_has_a_printable_reason_and_agrees_with_itself(
    group: Group, of: Policy
) -> None:
    decision = guarded_plan(group, of, NOW)
    assert decision.reason
    assert decision.reason.isprintable()
    assert bool(decision.to_terminate) == (decision.kind in {"replace", "canary"})
    assert (decision.hold is not None) == (decision.kind == "hold")
    assert decision.look_again <= bool(decision.to_terminate)
    assert decision.figures is not None


@given(groups(), policies())
def test_converged_means_that_all_are_available_and_on_target(group: Group, of: Policy) -> None:
    state, decision, _ = observed(group, of)
    if decision.kind != "converged":
        return
    members = [each for each in group.instances if each.counted]
    assert len(members) >= group.desired
    assert all(each.serves for each in members)
    assert all(state.on_target(each) for each in members)
    assert not decision.needs_attention


@given(groups(), policies())
def test_a_settled_group_has_converged(group: Group, of: Policy) -> None:
    if group.settled:
        assert plan(group, of, NOW).kind == "converged"


@given(groups(), policies())
def test_what_stands_by_waits_in_a_pool_or_has_left_changes_nothing(
    group: Group, of: Policy
) -> None:
    states = ("Standby", "Warmed:", "Terminated", "Terminating:Retained")
    left = tuple(each for each in group.instances if not each.lifecycle.startswith(states))
    assert guarded_plan(replace(group, instances=left), of, NOW) == guarded_plan(group, of, NOW)


@given(groups(), policies())
def test_guards_add_nobody(group: GuardedGroup, of: Policy) -> None:
    unguarded = plan(group, of, NOW)
    state, decision, going = observed(group, of)
    assert len(going) <= max(len(unguarded.to_terminate), state.budget)
    assert decision.to_terminate == () or unguarded.to_terminate


@given(groups(), policies())
def test_while_another_app_goes_first_only_bad_releases_and_the_dead_go(
    group: GuardedGroup, of: Policy
) -> None:
    waits = replace(group, guards=replace(group.guards, other_app="api goes first"))
    free, (state, decision, going) = guarded_plan(group, of, NOW), observed(waits, of)
    assert all(each in state.dead or state.above_target(each) for each in going)
    assert len(going) <= max(len(free.to_terminate), state.budget)
    if not state.available or not free.to_terminate:
        assert decision == free
    if not going and free.to_terminate:
        assert decision.hold == "other_app_first"


@given(groups(), policies())
def test_the_same_plan_twice_is_confirmed(group: Group, of: Policy) -> None:
    decision = guarded_plan(group, of, NOW)
    assert confirmed(decision, decision) == decision


@given(groups(), policies(), st.integers(1, 3000))
def test_a_plan_of_later_is_confirmed_only_for_those_that_both_chose(
    group: Group, of: Policy, later: int
) -> None:
    before = guarded_plan(group, of, NOW)
    now = guarded_plan(group, of, NOW + timedelta(minutes=later))
    both = confirmed(before, now)
    assert set(both.to_terminate) <= set(before.to_terminate) & set(now.to_terminate)
    assert bool(both.to_terminate) == (both.kind in {"replace", "canary"})


@given(st.lists(groups(), min_size=1, max_size=3), policies())
def test_what_the_groups_of_an_app_tell_only_ever_holds(found: list[Group], of: Policy) -> None:
    named = [replace(group, name=f"asg-{number}") for number, group in enumerate(found)]
    app = [Planned(GroupState(group, of, NOW), plan(group, of, NOW)) for group in named]
    for one in app:
        decision = let_others_first(one.decision, one, app)
        assert decision == one.decision or (
            decision.hold == "another_group_first" and one.decision.kind == "canary"
        )
        told = name_who_waits(one.decision, one, app)
        assert replace(told, reason=one.decision.reason) == one.decision
        assert told.reason.isprintable()
