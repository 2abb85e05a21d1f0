"""Presumed outdated instances: the failed_boot of a broken release goes first, and alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from terminator.model import Instance, Preflight
from terminator.version import Version
from tests.decide.builders import decide, group, member, released, unasked

TIGHT = {"minimum": "2", "max_unavailable": "1"}


def failed_boot(up: float = 40, **more: object) -> Instance:
    return member("i-dead", None, up=up, **more)


def fleet(*others: Instance) -> tuple[Instance, ...]:
    return (member("i-a", up=900), member("i-b", up=800), *others)


def test_it_goes_alone_and_before_any_outdated_one_although_no_budget_is_left() -> None:
    decision = decide(group(*fleet(failed_boot()), released=released("1.0.275", since=35)), **TIGHT)
    assert (decision.to_terminate, decision.look_again) == (("i-dead",), True)
    assert decision.reason == (
        "i-dead is presumed outdated: launched before 1.0.275 became the target, "
        "it is unavailable (timeout)"
    )


def test_the_oldest_of_several_goes_and_then_the_lowest_id() -> None:
    dead = [member(id_, None, up=up) for id_, up in (("i-z", 50), ("i-y", 60), ("i-x", 60))]
    of = group(*fleet(*dead), released=released("1.0.275", since=35))
    assert decide(of, **TIGHT).to_terminate == ("i-x",)


@pytest.mark.parametrize(
    ("up", "since", "grace", "retry", "presumed"),
    [
        (31, 5, 0, "30m", True),
        (30, 5, 0, "30m", False),  # not longer ago than canary_retry
        (40, 5, 40, "30m", False),  # nor than the grace period
        (41, 5, 40, "30m", True),
        (31, 30.5, 0, "30m", False),  # not over a minute before the release
        (90, 5, 0, "2h", False),
    ],
)
def test_it_must_be_older_than_the_release_the_grace_period_and_the_retry_time(
    up: float, since: float, grace: float, retry: str, *, presumed: bool
) -> None:
    of = group(*fleet(failed_boot(up)), grace=grace, released=released("1.0.275", since=since))
    decision = decide(of, canary_retry=retry, minimum="2", max_unavailable="100%")
    assert (decision.to_terminate == ("i-dead",)) is presumed


def test_one_known_to_run_the_target_is_never_presumed_outdated() -> None:
    ill = member("i-dead", "1.0.275", up=40, reason="unhealthy at target group web")
    decision = decide(group(*fleet(ill), released=released("1.0.275", since=35)), **TIGHT)
    assert decision.to_terminate == ()


def test_one_known_to_run_another_version_but_unhealthy_is_presumed_outdated() -> None:
    ill = member("i-dead", "1.0.274", up=40, reason="unhealthy at target group web")
    decision = decide(group(*fleet(ill), released=released("1.0.275", since=35)), **TIGHT)
    assert decision.to_terminate == ("i-dead",)


def test_without_a_release_nothing_is_presumed() -> None:
    assert decide(group(*fleet(failed_boot())), **TIGHT).to_terminate == ()


def test_it_waits_while_something_is_in_flight() -> None:
    of = group(
        *fleet(failed_boot(), unasked("i-p", "Pending")), released=released("1.0.275", since=35)
    )
    assert decide(of, **TIGHT).to_terminate == ()


def test_it_waits_while_another_was_launched_since_the_release_and_is_silent() -> None:
    new = member("i-new", None, up=2)
    of = group(*fleet(failed_boot(), new), released=released("1.0.275", since=35))
    assert decide(of, **TIGHT).to_terminate == ()


def test_many_silent_at_once_are_the_doing_of_a_network() -> None:
    dead = [member(f"i-{n}", None, up=50) for n in range(4)]
    of = group(*fleet(*dead), released=released("1.0.275", since=35))
    assert decide(of, minimum="3").to_terminate == ()
    assert decide(of, minimum="2").to_terminate == ("i-0",)


def test_a_protected_one_stays() -> None:
    of = group(*fleet(failed_boot(protected=True)), released=released("1.0.275", since=35))
    assert "i-dead" not in decide(of, minimum="0", max_unavailable="100%").to_terminate


def test_it_waits_while_the_target_soaks() -> None:
    new = member("i-new", "1.0.275", up=5)
    of = group(*fleet(failed_boot(), new), released=released("1.0.275", since=35))
    assert decide(of, bake_time="10m", **TIGHT).reason == "baking 1.0.275 for 5 more minutes"


def test_where_nothing_is_available_it_goes_if_the_minimum_allows_none() -> None:
    of = group(failed_boot(), released=released("1.0.275", since=35))
    assert decide(of, minimum="0").to_terminate == ("i-dead",)
    assert decide(of, minimum="1").to_terminate == ()


def test_with_only_silent_ones_left_that_may_not_go_the_reason_names_them() -> None:
    on_target = [member(f"i-{n}", "1.0.275", up=20 - n) for n in range(2)]
    of = group(*on_target, failed_boot(), desired=4, released=released("1.0.275", since=35))
    decision = decide(of, **TIGHT)
    assert (decision.kind, decision.reason) == (
        "hold",
        "i-dead is presumed outdated, but 1 in flight",
    )


def test_with_proof_too_it_waits_while_another_launched_since_the_release_is_silent() -> None:
    proven = (*fleet(failed_boot()), member("i-new", "1.0.275", up=5))
    target = released("1.0.275", since=35)
    assert decide(group(*proven, released=target), **TIGHT).to_terminate == ("i-dead",)
    silent = member("i-silent", None, up=2)
    assert decide(group(*proven, silent, released=target), **TIGHT).to_terminate == ()


def test_without_proof_an_unreadable_zip_keeps_it() -> None:
    """It goes as a canary: its replacement would boot that zip."""
    guards = Preflight(zip_problem="File is not a zip file")
    of = group(*fleet(failed_boot()), released=released("1.0.275", since=35), guards=guards)
    decision = decide(of, **TIGHT)
    assert (decision.kind, decision.to_terminate) == ("hold", ())
    assert decision.reason == "the zip of 1.0.275 cannot be read: File is not a zip file"
    proven = replace(of, instances=(*of.instances, member("i-new", "1.0.275", up=5)), desired=4)
    assert decide(proven, **TIGHT).to_terminate == ("i-dead",)


@pytest.mark.parametrize(("dated", "to_terminate"), [(True, ("i-ill",)), (False, ())])
def test_one_known_to_run_a_higher_version_tells_that_nothing_dates_the_rollback(
    *, dated: bool, to_terminate: tuple[str, ...]
) -> None:
    """Although it is unhealthy at its load balancer."""
    ill = member("i-ill", "1.0.274", up=900, reason="unhealthy at target group web")
    target = released("1.0.266", since=800, dated=dated)
    of = group(member("i-a", up=100), member("i-b", up=100), ill, released=target)
    assert decide(of, **TIGHT).to_terminate == to_terminate


@pytest.mark.parametrize(
    ("deleted", "to_terminate"),
    [("1.0.270", ()), ("1.0.274", ("i-dead",)), ("1.0.275", ("i-dead",))],
)
def test_only_the_removal_of_a_release_as_high_as_what_runs_dates_a_rollback(
    deleted: str, to_terminate: tuple[str, ...]
) -> None:
    undated = released("1.0.266", since=35, dated=False)
    target = replace(undated, deleted=Version.parse(deleted))
    running = [member(f"i-{n}", "1.0.274", up=900) for n in range(2)]
    assert (
        decide(group(*running, failed_boot(), released=target), **TIGHT).to_terminate
        == to_terminate
    )


@pytest.mark.parametrize(
    ("up", "reason"),
    [
        (39.1, "nothing is available and nothing is presumed outdated: i-dead (timeout)"),
        (40.9, "nothing is available and nothing is presumed outdated: i-dead (timeout)"),
        (41, "nothing is available and nothing is presumed outdated: i-dead (timeout)"),
        (
            41.1,
            (
                "i-dead is presumed outdated, but only 0 available, minimum 1; "
                "unavailable are i-dead (timeout)"
            ),
        ),
    ],
)
def test_one_launched_within_a_minute_of_the_release_is_not_presumed_outdated(
    up: float, reason: str
) -> None:
    assert decide(group(failed_boot(up), released=released("1.0.275", since=40))).reason == reason


def test_where_nothing_above_the_target_runs_its_zip_alone_dates_the_release() -> None:
    new = member("i-new", "1.0.275", up=5)
    target = released("1.0.275", since=35, dated=False)
    assert decide(group(*fleet(failed_boot(), new), released=target), **TIGHT).to_terminate == (
        "i-dead",
    )


def test_with_proof_a_presumed_outdated_one_is_replaced_without_it_is_a_canary() -> None:
    of: dict[str, Any] = {"released": released("1.0.274", since=60)}
    proven = group(member("i-a", None), member("i-n", "1.0.274", up=30), **of)
    unproven = group(member("i-a", None), member("i-b", up=500), **of)
    assert [decide(each, minimum="1").kind for each in (proven, unproven)] == ["replace", "canary"]
