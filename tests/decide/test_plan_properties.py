"""What holds of every decision, whatever the group looks like."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from terminator.config.tags import Policy
from terminator.decide.group_state import Facts
from terminator.decide.plan import plan
from terminator.model import Decision, Group, Guards, Instance, NoRelease
from terminator.version import Version
from tests.decide.builders import NOW, ago, policy
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
        version=None if version is None else Version.parse(version),
        reason="timeout" if silent else None,
        protected=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def groups(draw: st.DrawFn) -> Group:
    size = draw(st.integers(0, 8))
    members = tuple(draw(instances(number)) for number in range(size))
    target = draw(st.sampled_from((*VERSIONS, None)))
    since = draw(launches)
    dated = draw(st.booleans())
    released = None if target is None else released_since(target, since=since, dated=dated)
    return Group(
        name="live_asg_web",
        desired=draw(st.integers(0, size + 1) | st.just(size)),
        grace=NOW - ago(draw(st.sampled_from((0, 0, 5, 60)))),
        instances=members,
        released=NoRelease("none") if draw(st.integers(0, 19)) == 0 else released,
        guards=draw(st.sampled_from((None, Guards(), Guards(alarms=("rings",))))),
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
    assert plan(again, of, NOW) == plan(group, of, NOW)


@given(groups(), policies())
def test_only_outdated_unprotected_instances_in_service_go(group: Group, of: Policy) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    for each in chosen(group, decision):
        assert each.serving
        assert not each.protected
        assert not facts.on_target(each)
        assert each in (facts.presumed if decision.second_look else facts.available)


@given(groups(), policies())
def test_the_minimum_stays_available(group: Group, of: Policy) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    gone = [each for each in chosen(group, decision) if each in facts.available]
    left = min(len(facts.available), group.desired) - len(gone)
    assert left >= facts.minimum or not decision.to_terminate


@given(groups(), policies())
def test_what_is_out_and_what_goes_fit_the_batch(group: Group, of: Policy) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    out = facts.in_flight + len(facts.unavailable) + len(decision.to_terminate)
    assert not decision.to_terminate or decision.second_look or out <= facts.max_unavailable


@given(groups(), policies())
def test_without_proof_at_most_one_goes_and_only_when_nothing_is_in_flight(
    group: Group, of: Policy
) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    if not facts.proof:
        assert len(decision.to_terminate) <= 1
        assert not decision.to_terminate or facts.in_flight == 0
        assert not decision.to_terminate or not facts.silent
    assert (decision.kind == "canary") == (bool(decision.to_terminate) and not facts.proof)


@given(groups(), policies())
def test_a_presumed_outdated_instance_goes_alone(group: Group, of: Policy) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    if decision.second_look:
        assert len(decision.to_terminate) == 1
        assert facts.in_flight == 0
        assert not facts.silent


@given(groups(), policies())
def test_while_shut_only_bad_releases_and_their_failed_boots_go(group: Group, of: Policy) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    shut = of.window is not None or (group.guards is not None and group.guards.alarms)
    newest = max((each.launched for each in facts.available if each.launched), default=None)
    for each in chosen(group, decision) if shut else ():
        is_last = newest is None or (each.launched is not None and each.launched > newest)
        assert facts.above_target(each) if not decision.second_look else is_last


@given(groups(), policies())
def test_every_decision_has_a_reason_and_agrees_with_its_to_terminate(
    group: Group, of: Policy
) -> None:
    decision = plan(group, of, NOW)
    assert decision.reason
    assert decision.reason.isprintable()
    assert bool(decision.to_terminate) == (decision.kind in {"replace", "canary"})


@given(groups(), policies())
def test_converged_means_that_all_run_the_target(group: Group, of: Policy) -> None:
    facts, decision = Facts(group, of, NOW), plan(group, of, NOW)
    if decision.kind == "converged":
        counted = [each for each in group.instances if each.counted]
        assert all(facts.on_target(each) for each in counted)
        assert len(counted) >= group.desired
