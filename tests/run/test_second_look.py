"""The second look at the dead: who is asked again, and what that proves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from terminator import reconcile
from terminator.probe.ask import Answer, Question
from terminator.report.record import Record
from tests.fakes.cloud import Cloud, FakeGroup, fleet, refusal
from tests.fakes.cloud_api import run

FREE = {"terminator:minimum": "0"}
SILENT = 99


def killed(cloud: Cloud) -> list[str]:
    return [id_ for _, _, id_ in cloud.kills]


def why(record: Record) -> str:
    """Return why nothing was done, by a hold or a failure."""
    assert record.terminated == ()
    assert record.reason
    return record.reason


def doubted(*names: str, size: int = 3, **more: Any) -> tuple[Cloud, list[FakeGroup]]:
    """Return groups of an app each whose first member is silent, and so dead."""
    cloud, groups = fleet(*names, size=size, own_apps=True, **{"tags": FREE, **more})
    for group in groups:
        cloud.muted[group.machines[0].id] = SILENT
        group.machines[0].target = "unhealthy"
    return cloud, groups


def beside(cloud: Cloud, name: str = "z-api", vpc: str = "vpc-1") -> None:
    """Add a group of another app that has converged, with two members in a VPC."""
    cloud.upload("api", "2.0")
    move(cloud.add_group(name, 2, tags={"terminator:app": "api"}), vpc)


def between(cloud: Cloud, change: Callable[[], Any]) -> dict[str, Record]:
    """Run with the change made between the two looks."""

    def sleep(seconds: float) -> None:
        cloud.wait(seconds / 60)
        change()

    return run(cloud, sleep=sleep)


def mute(cloud: Cloud, *ids: str) -> Callable[[], None]:
    """Return a change that keeps these from answering once."""
    return lambda: cloud.muted.update(dict.fromkeys(ids, 1))


def move(group: FakeGroup, vpc: str) -> None:
    for machine in group.machines:
        machine.vpc = vpc


def test_still_silent_while_others_answer_it_goes() -> None:
    cloud, _ = doubted("web")
    run(cloud)
    assert killed(cloud) == ["i-0001"]


def test_where_its_own_group_has_others_those_of_another_group_prove_nothing() -> None:
    cloud, _ = doubted("web")
    beside(cloud)
    records = between(cloud, mute(cloud, "i-0002", "i-0003"))
    assert why(records["web"]) == "i-0001 is spared: asked again, none of 2 others answered either"


def test_one_of_its_own_group_that_answers_again_is_enough() -> None:
    cloud, _ = doubted("web")
    between(cloud, mute(cloud, "i-0002"))
    assert killed(cloud) == ["i-0001"]


def test_where_nothing_is_available_it_stays_if_no_other_of_its_vpc_answers_again() -> None:
    cloud, _ = doubted("web", size=1)
    beside(cloud)
    records = between(cloud, mute(cloud, "i-0002", "i-0003"))
    assert why(records["web"]) == "i-0001 is spared: asked again, none of 2 others answered either"


def test_where_nothing_is_available_it_goes_if_others_of_its_vpc_answer_again() -> None:
    cloud, _ = doubted("web", size=1)
    beside(cloud)
    between(cloud, mute(cloud, "i-0002"))
    assert killed(cloud) == ["i-0001"]


def test_others_are_asked_as_their_own_group_says() -> None:
    cloud, _ = doubted("web", size=1)
    beside(cloud)
    cloud.groups["z-api"].tags["terminator:port"] = "8080"

    def probe(vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        assert {q["instance"]: q["port"] == 8080 for q in questions}.items() <= ports.items()
        return cloud.probe(vpc, questions, seconds)

    ports = {"i-0001": False, "i-0002": True, "i-0003": True}
    run(cloud, probe=probe)
    assert killed(cloud) == ["i-0001"]


def test_where_there_are_no_others_at_all_it_goes() -> None:
    cloud, _ = doubted("web", size=1)
    run(cloud)
    assert killed(cloud) == ["i-0001"]


def test_others_of_another_vpc_prove_nothing() -> None:
    cloud, _ = doubted("web", size=1)
    beside(cloud)
    beside(cloud, "z-far", "vpc-2")
    records = between(cloud, mute(cloud, "i-0002", "i-0003"))
    assert "none of 2 others answered either" in why(records["web"])


def test_silence_in_another_vpc_does_not_spare() -> None:
    cloud, _ = doubted("web", size=1)
    beside(cloud, vpc="vpc-2")
    between(cloud, mute(cloud, "i-0002", "i-0003"))
    assert killed(cloud) == ["i-0001"]


def test_the_first_answer_of_another_that_is_not_answered_for_again_does_not_count() -> None:
    cloud, _ = doubted("web", size=1)
    beside(cloud)
    rounds = 0

    def probe(vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        nonlocal rounds
        rounds += 1
        answers = cloud.probe(vpc, questions, seconds)
        return [each for each in answers if rounds == 1 or each["instance"] == "i-0001"]

    record = run(cloud, probe=probe)["web"]
    assert why(record) == "i-0001 is spared: asked again, none of 2 others answered either"


def test_an_instance_that_is_not_answered_for_again_stays() -> None:
    cloud, _ = doubted("web")
    rounds = 0

    def probe(vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        nonlocal rounds
        rounds += 1
        return cloud.probe(vpc, questions, seconds)[rounds - 1 :]

    assert "i-0001: it was not asked" in why(run(cloud, probe=probe)["web"])


@pytest.mark.parametrize(("spent", "wait"), [(10, 20.0), (30, 0.0), (300, 0.0)])
def test_what_the_run_has_spent_since_the_first_look_is_not_waited_again(
    spent: float, wait: float
) -> None:
    cloud, [web, _] = fleet("a", "b", own_apps=True, tags=FREE)
    cloud.muted["i-0004"] = SILENT
    waits: list[float] = []
    called = cloud.called

    def slow(operation: str, *subjects: str) -> None:
        called(operation, *subjects)
        if operation == "TerminateInstanceInAutoScalingGroup" and web.name in subjects:
            cloud.wait(spent / 60)

    cloud.called = slow  # type: ignore[method-assign]
    run(cloud, sleep=waits.append)
    assert waits == [wait]
    assert killed(cloud) == ["i-0001", "i-0004"]


def test_another_that_is_dead_only_now_is_looked_at_twice_first() -> None:
    cloud, _ = fleet("web", tags=FREE)
    cloud.muted["i-0002"] = SILENT
    records = between(cloud, mute(cloud, "i-0001"))
    assert "both plans chose nothing alike" in why(records["web"])


@pytest.mark.parametrize("error", [refusal("Throttling", "slow down"), KeyError("oops")])
def test_where_ec2_fails_the_second_look_nothing_doubted_goes(error: Exception) -> None:
    cloud, _ = doubted("a", "b")
    beside(cloud)
    records = between(cloud, lambda: cloud.faults.update({("DescribeInstances", ""): error}))
    assert cloud.kills == []
    assert all("cannot describe instances: " in why(records[name]) for name in "ab")
    assert not records["z-api"].has_failed


@pytest.mark.parametrize("error", [refusal("Throttling", "slow down"), KeyError("oops")])
def test_a_load_balancer_that_fails_the_second_look_fails_its_group_only(error: Exception) -> None:
    cloud, _ = doubted("a", "b", balanced=True)
    fault = {("DescribeTargetHealth", "a"): error}
    records = between(cloud, lambda: cloud.faults.update(fault))
    assert "cannot read the health at target group a: " in why(records["a"])
    assert records["a"].has_failed
    assert killed(cloud) == ["i-0004"]


def test_a_probe_that_fails_the_second_look_fails_the_groups_of_its_vpc_only() -> None:
    cloud, [_, other] = doubted("a", "b")
    move(other, "vpc-2")
    rounds: list[str] = []

    def probe(vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        rounds.append(vpc)
        if rounds.count("vpc-1") > 1 and vpc == "vpc-1":
            raise KeyError("oops")
        return cloud.probe(vpc, questions, seconds)

    records = run(cloud, probe=probe)
    assert "i-0001, i-0002, i-0003: KeyError: 'oops'" in why(records["a"])
    assert records["a"].has_failed
    assert killed(cloud) == ["i-0004"]


def test_a_second_look_that_cannot_be_had_fails_the_doubted_groups_only() -> None:
    cloud, _ = doubted("a", "b")
    cloud.muted["i-0004"] = 0

    def sleep(_seconds: float) -> None:
        raise KeyError("oops")

    records = run(cloud, sleep=sleep)
    assert "KeyError: 'oops'" in why(records["a"])
    assert records["a"].has_failed
    assert killed(cloud) == ["i-0004"]


@pytest.mark.parametrize("step", ["asked_with", "spared"])
def test_an_unforeseen_error_over_one_instance_fails_its_group_only(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    cloud, _ = doubted("a", "b")
    real = getattr(reconcile, step)

    def broken(chosen: Sequence[str], *rest: Any) -> Any:
        if "i-0001" in chosen:
            raise KeyError("oops")
        return real(chosen, *rest)

    monkeypatch.setattr(reconcile, step, broken)
    records = run(cloud)
    assert "KeyError: 'oops'" in why(records["a"])
    assert records["a"].has_failed
    assert killed(cloud) == ["i-0004"]
