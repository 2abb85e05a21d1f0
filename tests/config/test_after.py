"""Which apps a group goes after, and which of them are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terminator.config.after import checked
from terminator.config.tags import Policy, for_group


def problems(waits: dict[str, str], *, are_all: bool = True) -> dict[str, list[str]]:
    """Return the problems of groups that have the names of their apps, and go after others."""
    policies = {
        app: replace(Policy(app), after=tuple(others.split())) for app, others in waits.items()
    }
    found = checked(policies, are_all=are_all)
    assert list(found) == list(policies)
    return {app: list(policy.problems) for app, policy in found.items() if policy.problems}


@pytest.mark.parametrize(
    "waits",
    [
        {"web": "", "api": ""},
        {"web": "api", "api": ""},
        {"web": "api worker", "api": "worker", "worker": ""},
        {"web": "api", "api": "db", "db": "", "worker": "db"},
    ],
)
def test_apps_that_others_have_are_taken(waits: dict[str, str]) -> None:
    assert problems(waits) == {}


@pytest.mark.parametrize(
    ("waits", "circles"),
    [
        ({"web": "web"}, {"web": "web after web"}),
        ({"web": "api", "api": "web"}, {"web": "web after api after web", "api": "api after web "}),
        (
            {"a": "b", "b": "c", "c": "a", "d": "a"},
            {"a": "a after b after c after a", "b": "b after c after a after b", "c": "c after a"},
        ),
    ],
)
def test_who_goes_after_itself_is_told_by_which_apps(
    waits: dict[str, str], circles: dict[str, str]
) -> None:
    for are_all in (True, False):
        found = problems(waits, are_all=are_all)
        assert found.keys() == circles.keys()
        for app, circle in circles.items():
            [told] = found[app]
            says = f'tag terminator:after says "{waits[app]}"; accepted are apps'
            assert told.startswith(f"{says} that do not go after its own: {circle}")


def test_an_app_that_no_group_has_is_named_with_those_that_there_are() -> None:
    said = 'tag terminator:after says "apii"; apii is the app of no group that opted in'
    assert problems({"web": "apii", "api": ""}) == {"web": [f"{said}: accepted are api"]}
    assert problems({"web": "apii"}) == {"web": [f"{said}: there is no other"]}


def test_where_not_all_groups_are_known_nobody_knows_which_apps_there_are() -> None:
    assert problems({"web": "apii"}, are_all=False) == {}


def test_a_group_keeps_the_problems_that_it_has_and_its_app_is_one_all_the_same() -> None:
    bad = for_group("api", {"terminator:minimum": "lots"}, Policy(""), named=True)
    web = replace(Policy("web"), after=("api",))
    found = checked({"api": bad, "web": web}, are_all=True)
    assert found == {"api": bad, "web": web}


def test_a_circle_through_one_group_holds_that_group_and_not_the_others_of_its_app() -> None:
    web, api = Policy("web"), replace(Policy("api"), after=("web",))
    found = checked({"a": web, "b": replace(web, after=("api",)), "c": api}, are_all=True)
    assert [name for name, policy in found.items() if policy.problems] == ["b", "c"]


def test_what_names_of_groups_hold_is_escaped() -> None:
    """An app has its group's name where no tag says another, and a tag of EC2 takes any text."""
    odd = Policy("w\n\x1b[31m")
    found = checked({"x": odd, "web": replace(Policy("web"), after=("apii",))}, are_all=True)
    [told] = found["web"].problems
    assert told.isprintable()
