"""The search notices where a rule about images, ages, taints or illness is taken out.

Each rule is taken out of the code while a life is lived that needs it: a promise has to break.
"""

from __future__ import annotations

from typing import Any

import pytest

from terminator.config.tags import Policy
from terminator.decide import holds, plan, recycle
from terminator.decide.app import Planned
from terminator.decide.group_state import GroupState
from terminator.model import Group
from tests.search.soak import LIVES, lived

_AWAY = "images that a load balancer refuses are taken back, each in another way"
_WINDOW = "six are past their age, in a window"
_ILL = "the oldest are ill, whether boots answer or not"


def _never(*_: object, **__: object) -> bool:
    return False


def _always(*_: object, **__: object) -> bool:
    return True


def _nothing(*_: object, **__: object) -> None:
    return None


def _decision(decision: Any, *_: object) -> Any:
    return decision


def _due_at(policy: Policy, created: Any, replace_after: Any) -> Any:
    """Return from when on an instance is due, also where that was before it was created."""
    times = [replace_after] if replace_after is not None else []
    times += [created + policy.max_age] if policy.max_age is not None and created else []
    return min(times, default=None)


# What is taken out: of what, its name, what stands in its place, and the life that needs it.
RULES: dict[str, tuple[object, str, object, str]] = {
    "what has drifted is outdated": (Group, "drifted", _never, _AWAY),
    "a later version of the template is above": (Group, "above_template", _never, _AWAY),
    "an image is waited for that has not come up": (
        GroupState,
        "not_come_up",
        property(lambda _: ()),
        "an image that never comes up beside releases",
    ),
    "a template that does not exist holds": (
        holds,
        "STANDING",
        tuple(rule for rule in holds.STANDING if rule.name != "template_unknown"),
        "a version that a group names does not exist",
    ),
    "what is due waits for the last to bake, and for budget": (
        recycle,
        "_waits",
        _nothing,
        "an age that cannot be kept",
    ),
    "what is due goes under every guard": (plan, "_guard_recycle", _decision, _WINDOW),
    "the longest due goes first": (
        GroupState,
        "due",
        property(lambda state: tuple(reversed(state.available))),
        _WINDOW,
    ),
    "a taint says nothing that was over when the instance was created": (
        Policy,
        "due_at",
        _due_at,
        "a template taints each instance that it launches",
    ),
    "nothing that is due goes while the app moves": (
        Planned,
        "is_moving",
        property(_never),
        "two groups of an app are past their age, and nothing boots",
    ),
    "an age that cannot be kept needs a person": (
        recycle,
        "_cannot_keep_up",
        _never,
        "an age that cannot be kept",
    ),
    "only what its load balancers call unhealthy is ill": (
        recycle,
        "_is_ill",
        _always,
        "one that answers its load balancer alone is not ill",
    ),
    "the last that was created is not ill": (
        recycle,
        "latest",
        lambda _: (),
        "the last that was created is not ill",
    ),
    "many that are away are no illness": (
        recycle,
        "_MOST_UNAVAILABLE",
        100,
        "three of six are away, which is no illness",
    ),
    "the ill are replaced": (recycle, "of_ill", _nothing, _ILL),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_search_notices_where_a_rule_is_taken_out(
    monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    of, name, otherwise, life = RULES[rule]
    monkeypatch.setattr(of, name, otherwise)
    assert lived(LIVES[life]) is not None
