"""The setting `after`: which apps go before a group, and which such settings mean nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from terminator.config.tags import TAG_PREFIX, Policy
from terminator.text import few, plain, quoted


def checked(policies: Mapping[str, Policy], *, are_all: bool) -> dict[str, Policy]:
    """Return the policies of groups, by name, with what is wrong with their `after` as a problem.

    That is an app which goes after the group's own, itself or by others, and one that no group
    has. The latter is not said where these are not all groups there are.
    """
    waits: dict[str, list[str]] = {}
    for policy in policies.values():
        waits.setdefault(policy.app, []).extend(policy.after)
    return {
        name: replace(
            policy, problems=(*policy.problems, *_problems(policy, waits, are_all=are_all))
        )
        for name, policy in policies.items()
    }


def _problems(
    policy: Policy, waits: Mapping[str, Iterable[str]], *, are_all: bool
) -> Iterator[str]:
    said = f"tag {TAG_PREFIX}after says {quoted(' '.join(policy.after))}"
    for app in policy.after:
        if way := _way(app, policy.app, waits):
            circle = " after ".join([plain(each) for each in (policy.app, *way)])
            yield f"{said}; accepted are apps that do not go after its own: {circle}"
        elif are_all and app not in waits:
            others = [plain(each) for each in sorted(waits.keys() - {policy.app})]
            accepted = f"accepted are {few(others)}" if others else "there is no other"
            yield f"{said}; {app} is the app of no group that opted in: {accepted}"


def _way(start: str, to: str, waits: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Return the apps of which each goes after the next, from one to another; None if none is."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == to:
            return way
        for app in sorted(set(waits.get(way[-1], ())) - seen):
            seen.add(app)
            ways.append([*way, app])
    return None
