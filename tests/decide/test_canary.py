"""What a hold tells of the canary that it waits for, and of what a person does about it."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any, get_args

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from terminator.decide.holds import HOLDS, remedy
from terminator.model import Decision, Group, HoldName, Instance, Kind, Launches, Origin
from terminator_cli.main import main
from tests.decide.builders import FAST, ago, decide, group, member, released, unasked

OLD = (member("i-a"), member("i-b", up=500))
SINCE = released("1.0.274", since=10)
NOW_OF = Origin("lt-1", 7)


def coming(id_: str = "i-c", up: float = 3, **more: Any) -> Instance:
    """Return a member on its way in that was created so many minutes ago."""
    return replace(unasked(id_, "Pending:Wait"), **{"created": ago(up), **more})


def of_template(*more: Instance, dated: float | None = 20) -> Group:
    """Return a group that follows its template, of which i-a and i-b were made of another."""
    old = [replace(each, origin=Origin("lt-1", 6)) for each in OLD]
    launches = Launches(NOW_OF, dated=None if dated is None else ago(dated))
    return group(*old, *more, launches=launches)


@pytest.mark.parametrize(
    ("of", "hold", "says", "up"),
    [
        (group(*OLD, coming(), released=SINCE), "members_in_flight", "booting for 3 minutes", 3),
        (
            group(*OLD, coming(up=0.5), released=SINCE),
            "members_in_flight",
            "booting for 30 seconds",
            0.5,
        ),
        (
            group(*OLD, coming(up=900, taken_from_pool=ago(2)), released=SINCE),
            "members_in_flight",
            "booting for 2 minutes",
            2,
        ),
        (
            group(*OLD, member("i-c", None, up=5, served=4), released=SINCE),
            "canary_not_come_up",
            "booting for 5 minutes",
            5,
        ),
        (
            group(*OLD, member("i-c", None, up=50, served=40), released=released("2", since=60)),
            "canary_not_come_up",
            "not up, in service for 40 minutes",
            50,
        ),
        (
            group(*OLD, member("i-c", "1.0.274", up=5, served=4), released=SINCE, grace=9),
            "proof_on_its_way",
            "up, in service for 4 minutes",
            5,
        ),
        (of_template(coming(origin=NOW_OF)), "members_in_flight", "booting for 3 minutes", 3),
    ],
)
def test_a_hold_names_the_canary_that_it_waits_for(
    of: Group, hold: HoldName, says: str, up: float
) -> None:
    follow = {"follow": "release template"} if of.launches else {}
    decision = decide(of, **FAST, **follow)
    assert decision.hold == hold
    assert decision.canary
    assert (decision.canary.id, decision.canary.since) == ("i-c", ago(up))
    assert str(decision.canary) == f"canary i-c {says}"


@pytest.mark.parametrize(
    "of",
    [
        group(*OLD, coming(), coming("i-d"), released=SINCE),  # a scale-out: which of them?
        group(*OLD, coming(created=None), released=SINCE),  # EC2 does not list it
        group(*OLD, coming(up=30), released=SINCE),  # of before: it left the canary its turn
        group(*OLD, coming()),  # nobody knows since when
        group(*OLD, member("i-c", None, up=5)),
        group(*OLD, desired=3, released=SINCE),  # it is missing
        of_template(coming(origin=Origin("lt-1", 6))),
        of_template(coming(origin=NOW_OF), dated=2),  # of before the template's version
        of_template(coming()),  # of what it was launched nobody knows
        # With proof none is a canary.
        group(*OLD, member("i-n", "1.0.274", up=9), coming(), released=SINCE),
        group(member("i-n", "1.0.274", up=9), coming(), released=SINCE),
    ],
)
def test_what_is_no_canary_is_not_called_one(of: Group) -> None:
    follow = {"follow": "release template"} if of.launches else {}
    assert decide(of, **FAST, **follow).canary is None


def test_that_launches_fail_is_said_beside_the_one_that_tries_again() -> None:
    of = group(*OLD, coming(), released=SINCE, failed_launches=(ago(5),))
    assert decide(of, **FAST).reason.endswith("the newest i-c (Pending:Wait): launches fail")


NEEDS = [Decision("hold", "why", hold=name, needs_attention=True) for name in get_args(HoldName)]
NEEDS += [Decision(kind, "why", needs_attention=True) for kind in get_args(Kind) if kind != "hold"]


@pytest.mark.parametrize("decision", NEEDS, ids=lambda each: each.hold or each.kind)
def test_whatever_needs_a_person_says_what_to_do_by_a_command_that_there_is(
    decision: Decision,
) -> None:
    told = remedy(decision, "a group's {name}", "web")
    assert told
    assert remedy(replace(decision, needs_attention=False), "g", "web") is None
    commands = re.findall(r"(terminator|aws [a-z]+) ([a-z-]+)", told)
    assert commands or "what its instances boot" in told
    for program, command in commands:
        if program == "terminator":
            assert command in main.commands
        else:
            assert command in operations(program.removeprefix("aws "))


@pytest.mark.parametrize("decision", NEEDS, ids=lambda each: each.hold or each.kind)
def test_a_name_reaches_the_shell_as_one_word(decision: Decision) -> None:
    odd = "a group's $(rm) {0}"
    told = remedy(decision, odd, odd) or ""
    for text in (odd, f"ResourceType=auto-scaling-group,ResourceId={odd}"):
        told = told.replace(shlex.quote(text), "")
    assert "$(rm)" not in told


def operations(service: str) -> set[str]:
    """Return the commands that the AWS CLI has for a service."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"))
    return {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in model.operation_names}


def test_every_hold_has_a_remedy_of_its_own() -> None:
    assert all(rule.remedy for rule in HOLDS.values())
