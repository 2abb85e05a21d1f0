"""Gathering: which groups a run serves, and the one snapshot of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from terminator import balancers, describe, observe, policy, releases
from terminator.errors import AWS_ERRORS, explain
from terminator.model import NoRelease, Released
from terminator.observe import Probe, Snapshot
from terminator.policy import Policy
from terminator.report import Outcome, Say

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

    from terminator.aws import Aws
    from terminator.config import Config


@dataclass(frozen=True)
class World:
    """What a run reaches the world with.

    `clock` tells the time, with a zone; `sleep` waits for seconds; `remaining` tells the
    seconds left to this run; `say` takes each log line.
    """

    aws: Aws
    probe: Probe
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    remaining: Callable[[], float]
    say: Say


@dataclass(frozen=True)
class Scope:
    """Narrows a run to the groups of one app, or to some groups; it opts nothing in."""

    app: str | None = None
    groups: frozenset[str] | None = None

    def covers(self, subject: Subject) -> bool:
        """Say whether the run serves the group."""
        named = self.groups is None or subject.name in self.groups
        return named and self.app in {None, subject.policy.app}


@dataclass(frozen=True)
class Subject:
    """A group that opted in, as described, with its policy."""

    described: AutoScalingGroupTypeDef
    policy: Policy

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.described["AutoScalingGroupName"]


def subjects(world: World, config: Config, scope: Scope) -> tuple[list[Subject], list[Outcome]]:
    """Return the groups to serve, by name, and an outcome for each name that matches none."""
    described = describe.describe_groups(world.aws.autoscaling, config.names, tagged=config.tagged)
    found = [subject(group, config) for group in described]
    return [each for each in found if scope.covers(each)], _strays(found, config, scope)


def subject(group: AutoScalingGroupTypeDef, config: Config) -> Subject:
    """Return a described group with its policy."""
    name = group["AutoScalingGroupName"]
    tags = describe.tags(group)
    named = name in config.names
    return Subject(group, policy.for_group(name, tags, config.defaults, named=named))


def _strays(found: Sequence[Subject], config: Config, scope: Scope) -> list[Outcome]:
    if scope.app is not None:
        return []
    names = {each.name for each in found}
    missing = dict.fromkeys(config.names, "no Auto Scaling group has this name")
    if scope.groups is not None:
        unknown = "not opted in: neither named in the configuration nor tagged"
        missing = {name: missing.get(name, unknown) for name in scope.groups}
    return [Outcome(name, error=why) for name, why in sorted(missing.items()) if name not in names]


def snapshot(world: World, config: Config, served: Iterable[Subject]) -> Snapshot:
    """Observe all groups at once; what could not be observed is data.

    Groups whose settings cannot be read are not asked for anything.
    """
    readable = [each for each in served if not each.policy.problems]
    apps = sorted({each.policy.app for each in readable})
    policies = {id_: each.policy for each in readable for id_ in observe.asked(each.described)}
    released = {app: _released(world, config, app) for app in apps}
    return look(world, readable, policies, Snapshot(released=released))


def look(
    world: World, served: Sequence[Subject], policies: Mapping[str, Policy], before: Snapshot
) -> Snapshot:
    """Look at instances and at the load balancers of groups; the latest look counts.

    `policies` maps the ids of the instances to their groups' policies.
    """
    attached = [each for subject in served for each in balancers.of_group(subject.described)]
    rows, unknown = describe.describe_instances(world.aws.ec2, sorted(policies))
    health = balancers.ask(world.aws, attached)
    known = {id_: policies[id_] for id_ in rows if id_ in policies}
    seen, unasked = observe.take(world.probe, world.remaining, rows, known)
    return Snapshot(
        rows={**before.rows, **rows},
        seen={**before.seen, **seen},
        failures={**before.failures, **unknown, **unasked},
        health={**before.health, **health},
        released=before.released,
    )


def _released(world: World, config: Config, app: str) -> Released | NoRelease | str | None:
    if config.bucket is None:
        return None
    try:
        return releases.find(world.aws.s3, config.bucket.name, config.bucket.template, app)
    except AWS_ERRORS as error:
        return f"cannot read the releases of {app} in s3://{config.bucket.name}: {explain(error)}"
