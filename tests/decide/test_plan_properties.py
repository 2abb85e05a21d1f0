"""What holds of every decision, whatever the group looks like."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from terminator.config.tags import Policy
from terminator.decide.group_state import GroupState
from terminator.model import Decision, Group, Instance, NoRelease, NoVersion, Preflight
from terminator.version import Version
from tests.decide.builders import NOW, GuardedGroup, ago, guarded_plan, policy
from tests.decide.builders import released as released_since

VERSIONS = ("1.0.200", "1.0.266", "1.0.274", "1.0.274+b", "1.0.274+c", "999.0.0")
STATES = ("InService",) * 8 + ("Pending", "Terminating:Wait", "Standby", "Warmed:Stopped", "New")

launches = st.sampled_from((0, 1, 4, 5, 20, 31, 45, 600, 601, 602)) | st.integers(0, 900)


@st.composite
def instances(draw: st.DrawFn, number: int) -> Instance:
    lifecycle = draw(st.sampled_from(STATES))
    version = draw(st.sampled_from((*VERSIONS, *VERSIONS, None)))
    silent = version is None or draw(st.integers(0, 9)) == 0
    return Instance(
        id=f"i-{number:02}",
        zone=draw(st.sampled_from("abc")),
        lifecycle=lifecycle,
        health="Healthy" if draw(st.integers(0, 9)) else "Unhealthy",
        launched=ago(draw(launches)),
        answer=NoVersion("timeout") if version is None else Version.parse(version),
        unserving="unhealthy" if silent and version else None,
        protected=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def groups(draw: st.DrawFn) -> GuardedGroup:
    size = draw(st.integers(0, 8))
    members = tuple(draw(instances(number)) for number in range(size))
    target = draw(st.sampled_from((*VERSIONS, None)))
    since = draw(launches)
    dated = draw(st.booleans())
    released = None if target is None else released_since(target, since=since, dated=dated)
    return GuardedGroup(
        name="live_asg_web",
        desired=draw(st.integers(0, size + 1) | st.just(size)),
        grace=NOW - ago(draw(st.sampled_from((0, 0, 5, 60)))),
        instances=members,
        released=NoRelease("none") if draw(st.integers(0, 19)) == 0 else released,
        guards=draw(st.sampled_from((Preflight(), Preflight(), Preflight(alarms=("rings",))))),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return policy(
        minimum=draw(st.sampled_from(("0", "1", "2", "50%", "100%"))),
        max_unavailable=draw(st.sampled_from(("1", "2", "25%", "100%"))),
        bake_time=draw(st.sampled_from(("0m", "0m", "10m"))),
        window=draw(st.sampled_from(("always", "always", "Sat-Sun 09:00-17:00 UTC"))),
    )


def chosen(group: Group, decision: Decision) -> list[Instance]:
    return [each for each in group.instances if each.id in decision.to_terminate]


@given(groups(), policies(), st.randoms())
def test_the_order_of_a_listing_changes_nothing(group: Group, of: Policy, random: object) -> None:
    shuffled = list(group.instances)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = replace(group, instances=tuple(shuffled))
    assert guarded_plan(again, of, NOW) == guarded_plan(group, of, NOW)


@given(groups(), policies())
def test_only_outdated_unprotected_instances_in_service_go(group: Group, of: Policy) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    for each in chosen(group, decision):
        assert each.in_service
        assert not each.protected
        assert not state.on_target(each)
        assert each in (state.presumed if decision.look_again else state.available)


@given(groups(), policies())
def test_the_minimum_stays_available(group: Group, of: Policy) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    gone = [each for each in chosen(group, decision) if each in state.available]
    left = min(len(state.available), group.desired) - len(gone)
    assert left >= state.minimum or not decision.to_terminate


@given(groups(), policies())
def test_what_is_out_and_what_goes_fit_max_unavailable(group: Group, of: Policy) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    out = state.in_flight + len(state.unavailable) + len(decision.to_terminate)
    assert not decision.to_terminate or decision.look_again or out <= state.max_unavailable


@given(groups(), policies())
def test_without_proof_at_most_one_goes_and_only_when_nothing_is_in_flight(
    group: Group, of: Policy
) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    if not state.proof:
        assert len(decision.to_terminate) <= 1
        assert not decision.to_terminate or state.in_flight == 0
        assert not decision.to_terminate or not state.not_come_up
    assert (decision.kind == "canary") == (bool(decision.to_terminate) and not state.proof)


@given(groups(), policies())
def test_a_presumed_outdated_instance_goes_alone(group: Group, of: Policy) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    if decision.look_again:
        assert len(decision.to_terminate) == 1
        assert state.in_flight == 0
        assert not state.not_come_up


@given(groups(), policies())
def test_while_shut_only_bad_releases_and_their_failed_boots_go(
    group: GuardedGroup, of: Policy
) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    shut = of.window is not None or group.guards.alarms
    newest = max((each.launched for each in state.available if each.launched), default=None)
    for each in chosen(group, decision) if shut else ():
        is_last = newest is None or (each.launched is not None and each.launched > newest)
        assert state.above_target(each) if not decision.look_again else is_last


@given(groups(), policies())
def test_every_decision_has_a_reason_and_agrees_with_its_to_terminate(
    group: Group, of: Policy
) -> None:
    decision = guarded_plan(group, of, NOW)
    assert decision.reason
    assert decision.reason.isprintable()
    assert bool(decision.to_terminate) == (decision.kind in {"replace", "canary"})


@given(groups(), policies())
def test_every_decision_tells_the_figures_that_it_rests_on(group: Group, of: Policy) -> None:
    assert guarded_plan(group, of, NOW).figures == GroupState(group, of, NOW).figures


@given(groups(), policies())
def test_converged_means_that_all_run_the_target(group: Group, of: Policy) -> None:
    state, decision = GroupState(group, of, NOW), guarded_plan(group, of, NOW)
    if decision.kind == "converged":
        counted = [each for each in group.instances if each.counted]
        assert all(state.on_target(each) for each in counted)
        assert len(counted) >= group.desired
