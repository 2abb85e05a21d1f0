"""Groups, instances and policies for tests, made in few words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from terminator.config import tags
from terminator.config.tags import Policy
from terminator.decide.plan import guard, plan
from terminator.model import Decision, Group, Instance, NoVersion, Preflight, Release, Released
from terminator.version import Version

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday


@dataclass(frozen=True)
class GuardedGroup(Group):
    """A group, and what its guards answer where it would act."""

    guards: Preflight = field(default_factory=Preflight)


def ago(minutes: float) -> datetime:
    """Return the time so many minutes before NOW."""
    return NOW - timedelta(minutes=minutes)


def member(id_: str, version: str | None = "1.0.266", *, up: float = 600, **more: Any) -> Instance:
    """Return an instance that has been up for so many minutes; without a version a silent one.

    `reason` says why it is silent or, where it answered a version, which load balancer says no.
    """
    reason = more.pop("reason", None)
    silent = NoVersion(reason or "timeout")
    return Instance(
        id=id_,
        launched=ago(up),
        answer=silent if version is None else Version.parse(version),
        unserving=None if version is None else reason,
        **{"zone": "eu-west-1a", "lifecycle": "InService", "health": "Healthy", **more},
    )


def unasked(id_: str, lifecycle: str, health: str = "Healthy") -> Instance:
    """Return a member that was not asked for its version."""
    return Instance(id_, "eu-west-1a", lifecycle, health, launched=None)


def group(
    *members: Instance, desired: int | None = None, grace: float = 0, **more: Any
) -> GuardedGroup:
    """Return a group of these members; `grace` is its HealthCheckGracePeriod in minutes."""
    wanted = sum(each.counted for each in members) if desired is None else desired
    return GuardedGroup("live_asg_web", wanted, timedelta(minutes=grace), members, **more)


def released(version: str, *, since: float, dated: bool = True) -> Released:
    """Return what the app should run since so many minutes ago, dated by a pointer or not."""
    release = Release(f"web/{version}.zip", Version.parse(version), ago(since))
    return Released(release, ago(since), repointed=dated)


def policy(**texts: str) -> Policy:
    """Return the default policy with these settings."""
    return replace(tags.defaults(texts), app="web")


def decide(of: Group, **texts: str) -> Decision:
    """Return the decision about the group under these settings, and under its guards."""
    return decide_later(of, 0, **texts)


def decide_later(of: Group, minutes: float, /, **texts: str) -> Decision:
    """Return the decision so many minutes after NOW."""
    return guarded_plan(of, policy(**texts), NOW + timedelta(minutes=minutes))


def guarded_plan(of: Group, its_policy: Policy, now: datetime) -> Decision:
    """Return what is planned and left under the guards."""
    decision = plan(of, its_policy, now)
    if not decision.to_terminate:
        return decision
    guards = of.guards if isinstance(of, GuardedGroup) else Preflight()
    return guard(decision, of, its_policy, now, guards)
