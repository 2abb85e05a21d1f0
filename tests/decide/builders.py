"""Groups, instances and policies for tests, made in few words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from terminator.config import tags
from terminator.config.tags import Policy
from terminator.decide.group_state import GroupState
from terminator.decide.plan import guard, plan
from terminator.model import (
    Decision,
    Group,
    Instance,
    NoVersion,
    Preflight,
    Release,
    Released,
    Traffic,
)
from terminator.version import Version

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday
# As fast as it goes: what is not said of the pace in a test does not hold it up.
FAST = {"minimum": "1", "max_unavailable": "100%", "bake_time": "0m"}
# What load balancers say.
SERVES = Traffic(healthy=True)
UNUSED = Traffic("no traffic from target group web: Target.NotInUse", unused=True)
ILL = Traffic("unhealthy at target group web: timeout", unhealthy=True)


@dataclass(frozen=True)
class GuardedGroup(Group):
    """A group, and what its guards answer where it would act."""

    guards: Preflight = field(default_factory=Preflight)


def ago(minutes: float) -> datetime:
    """Return the time so many minutes before NOW."""
    return NOW - timedelta(minutes=minutes)


def member(id_: str, version: str | None = "1.0.266", *, up: float = 600, **more: Any) -> Instance:
    """Return an instance that was created and put in service so many minutes ago.

    Without a version it is a silent one. `reason` says why it is silent or, where it answered,
    which load balancer refuses it. `served` is for how many minutes it has been in service.
    """
    reason = more.pop("reason", None)
    silent = NoVersion(reason or "timeout")
    refused = Traffic() if version is None or reason is None else Traffic(reason, unhealthy=True)
    its: dict[str, Any] = {
        "zone": "eu-west-1a",
        "lifecycle": "InService",
        "health": "Healthy",
        "created": ago(up),
        "in_service_since": ago(more.pop("served", up)),
        "answer": silent if version is None else Version.parse(version),
        "traffic": refused,
    }
    return Instance(id_, **{**its, **more})


def unasked(id_: str, lifecycle: str, health: str = "Healthy") -> Instance:
    """Return a member that was not asked for its version."""
    return Instance(id_, "eu-west-1a", lifecycle, health, created=NOW)


def group(
    *members: Instance, desired: int | None = None, grace: float = 0, **more: Any
) -> GuardedGroup:
    """Return a group of these members; `grace` is its HealthCheckGracePeriod in minutes."""
    wanted = sum(each.counted for each in members) if desired is None else desired
    return GuardedGroup("live_asg_web", wanted, timedelta(minutes=grace), members, **more)


def released(version: str, *, since: float | None, **more: Any) -> Released:
    """Return what the app should run since so many minutes ago; another one ran before."""
    when = ago(600 if since is None else since)
    release = Release(f"web/{version}.zip", Version.parse(version), when)
    if since is None:
        return Released(release, None, **more)
    history = {"others": ((ALWAYS, when),), "known_from": ALWAYS, "first_existed": when}
    return Released(release, when, **{**history, **more})


def policy(**texts: str) -> Policy:
    """Return the default policy with these settings."""
    return replace(tags.defaults(texts), app="web")


def state_of(of: Group, **texts: str) -> GroupState:
    """Return the group in the words of the rules, under these settings."""
    return GroupState(of, policy(**texts), NOW)


def ids(instances: Iterable[Instance]) -> list[str]:
    """Return the ids of the instances, in their order."""
    return [each.id for each in instances]


def decide(of: Group, **texts: str) -> Decision:
    """Return the decision about the group under these settings, and under its guards."""
    return decide_later(of, 0, **texts)


def decide_later(of: Group, minutes: float, /, **texts: str) -> Decision:
    """Return the decision so many minutes after NOW."""
    return guarded_plan(of, policy(**texts), NOW + timedelta(minutes=minutes))


def guarded_plan(of: Group, its_policy: Policy, now: datetime) -> Decision:
    """Return what is planned and left under the guards."""
    decision = plan(of, its_policy, now)
    if not decision.acts:
        return decision
    guards = of.guards if isinstance(of, GuardedGroup) else Preflight()
    return guard(decision, of, its_policy, now, guards)
