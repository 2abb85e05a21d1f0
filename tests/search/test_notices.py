"""The search notices where a rule about images, ages, taints, illness or surge is taken out.

Each rule is taken out of the code while a life is lived that needs it: a promise has to break.
"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from terminator import reconcile, refresh
from terminator.config.tags import Policy
from terminator.decide import holds, plan, recycle, surge
from terminator.decide.app import Planned
from terminator.decide.group_state import GroupState
from terminator.model import Group, Refresh
from terminator.terminate import Terminations, terminate
from tests.search.soak import LIVES, lived

_AWAY = "images that a load balancer refuses are taken back, each in another way"
_WINDOW = "six are past their age, in a window"
_ILL = "the oldest are ill, whether boots answer or not"
_GOOD = "a group of one is released by an instance refresh"
_BROKEN = "releases to a group of one are broken, each in another way"
_TWO = "two groups of one are released one after the other"


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


_start = refresh.start


def _start_with(**instead: Any) -> Any:
    """Return what starts a refresh with other preferences."""

    def start(autoscaling: Any, *asked: Any) -> Terminations:
        def call(Preferences: Any, **more: Any) -> Any:  # noqa: N803 - boto3's
            preferences = {**Preferences, **instead}
            return autoscaling.start_instance_refresh(Preferences=preferences, **more)

        client: Any = SimpleNamespace(start_instance_refresh=call)
        return _start(client, *asked)

    return start


def _act_twice(world: Any, group: str, decision: Any) -> Terminations:
    """Start a refresh, and terminate whom it is to replace."""
    if decision.surge:
        _start(world.aws.terminating, group, decision.surge, world.remaining)
    return terminate(world.aws.terminating, decision.goes, world.remaining)


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
    "no refresh begins while one is in progress": (
        Refresh,
        "in_progress",
        property(_never),
        _BROKEN,
    ),
    "a group that is refreshed is held, whatever its minimum": (
        surge,
        "instead",
        _decision,
        "somebody else refreshes a group of one",
    ),
    "refreshes begin at growing distances": (
        GroupState,
        "patience",
        lambda *_: timedelta(0),
        _BROKEN,
    ),
    "refreshes since the target became it count, and no others": (
        GroupState,
        "tried_from",
        property(lambda state: state.now - timedelta(days=400)),
        _BROKEN,
    ),
    "a refresh launches before it terminates": (
        refresh,
        "start",
        _start_with(MinHealthyPercentage=0),
        _GOOD,
    ),
    "a refresh skips none that matches": (refresh, "start", _start_with(SkipMatching=True), _GOOD),
    "a new one has to serve for a while": (surge, "warmup", lambda _: timedelta(minutes=1), _GOOD),
    "a refresh begins beside no termination": (reconcile, "_act", _act_twice, _GOOD),
    "a refresh begins under every guard": (
        plan,
        "_guard_surge",
        _decision,
        "a group of one is released in its window",
    ),
    "alarms that are OK end a refresh": (
        surge,
        "with_alarms",
        _decision,
        "an alarm rings while a group of one is refreshed",
    ),
    "a refresh begins of a group that is fit for it": (
        surge,
        "lacks",
        lambda *_, **__: [],
        "a group of one is not fit for an instance refresh",
    ),
    "a refresh begins where both plans chose it": (
        plan,
        "_confirmed_surge",
        lambda before, _: before,
        "a group of one changes right before its instance refresh begins",
    ),
    "one group of an app is refreshed at a time": (
        reconcile,
        "let_others_first",
        _decision,
        _TWO,
    ),
    "a refresh that failed for hours needs a person": (
        Refresh,
        "replaced_nothing",
        property(_never),
        _BROKEN,
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_search_notices_where_a_rule_is_taken_out(
    monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    of, name, otherwise, life = RULES[rule]
    monkeypatch.setattr(of, name, otherwise)
    assert lived(LIVES[life]) is not None
