"""Gathering: which groups a run serves, and the one snapshot of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from terminator.config import tags as policy
from terminator.config.tags import Policy
from terminator.errors import Failure, KnownError, Result, attempt
from terminator.model import NoRelease, Released
from terminator.observe import autoscaling as describe
from terminator.observe import load_balancers as balancers
from terminator.observe import releases
from terminator.observe import snapshot as observe
from terminator.observe import versions as sightings
from terminator.observe.load_balancers import Balancer
from terminator.observe.snapshot import Snapshot
from terminator.observe.versions import Probe
from terminator.report.record import Outcome, Say

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

    from terminator.clients import Aws
    from terminator.config.deployment import Config

# Kept for serving a group: it is not begun with less, and looking ends before.
GROUP_SECONDS: Final = 45.0
# Kept for describing a group once more.
CONFIRM_SECONDS: Final = 30.0


class OutOfTimeError(KnownError):
    """The time left to the run does not allow what would come next."""


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

    def require(self, seconds: float, what: str) -> None:
        """Raise OutOfTimeError where less than that is left, before `what` could be."""
        if self.remaining() < seconds:
            raise OutOfTimeError(f"time ran out before {what}")


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
    """A group that opted in, as described, with its policy.

    `asked` are the ids of its members to ask for their version, `attached` its load balancers.
    """

    described: AutoScalingGroupTypeDef
    policy: Policy
    asked: tuple[str, ...]
    attached: tuple[Balancer, ...]

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.described["AutoScalingGroupName"]


def subjects(world: World, config: Config, scope: Scope) -> tuple[list[Subject], list[Outcome]]:
    """Return the groups to serve, by name, and an outcome for each that cannot be served.

    Those are names that match no group, and groups whose description cannot be read.
    """
    described = describe.describe_groups(world.aws.autoscaling, config.names, tagged=config.tagged)
    read = {g["AutoScalingGroupName"]: attempt(partial(subject, g, config)) for g in described}
    found = [each for each in read.values() if isinstance(each, Subject)]
    whys = {name: each.why for name, each in read.items() if isinstance(each, Failure)}
    return [each for each in found if scope.covers(each)], _strays(found, whys, config, scope)


def subject(group: AutoScalingGroupTypeDef, config: Config) -> Subject:
    """Return a described group with its policy."""
    name = group["AutoScalingGroupName"]
    tags = describe.tags(group)
    named = name in config.names
    return Subject(
        described=group,
        policy=policy.for_group(name, tags, config.defaults, named=named),
        asked=tuple(observe.asked(group)),
        attached=tuple(balancers.of_group(group)),
    )


def _strays(
    found: Sequence[Subject], unavailable: Mapping[str, str], config: Config, scope: Scope
) -> list[Outcome]:
    if scope.app is not None:
        return []
    names = {each.name for each in found}
    missing = dict.fromkeys(config.names, "no Auto Scaling group has this name")
    missing |= {name: f"its description cannot be read: {why}" for name, why in unavailable.items()}
    if scope.groups is not None:
        unknown = "no group of this name has opted in, by name or by tag"
        missing = {name: missing.get(name, unknown) for name in scope.groups}
    lost = sorted(missing.keys() - names)
    return [Outcome(name, error=missing[name], dry_run=config.dry_run) for name in lost]


def snapshot(world: World, config: Config, served: Iterable[Subject]) -> Snapshot:
    """Observe all groups at once; what could not be observed is data.

    Groups whose settings cannot be read are not asked for anything.
    """
    readable = [each for each in served if not each.policy.problems]
    released = {
        app: _timely(world, partial(_released, world, config, app)) for app in apps(readable)
    }
    return look(world, readable, policies(readable), Snapshot(released=released))


def apps(served: Iterable[Subject]) -> list[str]:
    """Return the apps of the groups whose settings can be read, each once, by name."""
    return sorted({each.policy.app for each in served if not each.policy.problems})


def policies(served: Iterable[Subject]) -> dict[str, Policy]:
    """Map the ids of the instances to ask to their groups' policies."""
    readable = (each for each in served if not each.policy.problems)
    return {id_: each.policy for each in readable for id_ in each.asked}


def look(
    world: World, served: Sequence[Subject], asked: Mapping[str, Policy], before: Snapshot
) -> Snapshot:
    """Look at instances and at the load balancers of groups.

    `asked` maps the ids of the instances to their groups' policies. What was seen of them
    before does not count any more.
    """
    attached = {each for subject in served for each in subject.attached}
    timely = partial(_timely, world)
    rows, unknown = describe.describe_instances(world.aws.ec2, sorted(asked), timely)
    health = {each: timely(partial(balancers.ask, world.aws, each)) for each in sorted(attached)}
    known = {id_: asked[id_] for id_ in rows if id_ in asked}
    seen, unasked = sightings.take(world.probe, partial(_probe_seconds, world), rows, known)
    return Snapshot(
        rows={**before.rows, **rows},
        seen={**_without(before.seen, asked), **seen},
        failures={**_without(before.failures, asked), **unknown, **unasked},
        health={**before.health, **health},
        released=before.released,
    )


def _without(before: Mapping[str, Result], asked: Mapping[str, Policy]) -> dict[str, Result]:
    return {id_: what for id_, what in before.items() if id_ not in asked}


def _timely(world: World, call: Callable[[], Result]) -> Result | Failure:
    if world.remaining() < GROUP_SECONDS:
        return Failure("time ran out")
    return attempt(call)


def _probe_seconds(world: World) -> float:
    return world.remaining() - GROUP_SECONDS - sightings.OVERRUN_SECONDS


def _released(world: World, config: Config, app: str) -> Released | NoRelease | None:
    if config.bucket is None:
        return None
    return releases.find(world.aws.s3, config.bucket.name, config.bucket.template, app)
