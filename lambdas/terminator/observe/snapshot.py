"""Which groups a run serves, and the one snapshot of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from terminator.config import tags
from terminator.config.tags import Policy
from terminator.errors import KnownError, explain
from terminator.model import Answer, Group, Instance, NoRelease, Released, Unobserved
from terminator.observe import releases
from terminator.observe.autoscaling import describe_groups, describe_instances, tags_of
from terminator.observe.load_balancers import (
    Health,
    LoadBalancer,
    attached_to,
    describe_health,
    unserving,
)
from terminator.observe.versions import OVERRUN_SECONDS, Probe, ask_instances
from terminator.text import few, plain

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_autoscaling.type_defs import InstanceTypeDef as MemberTypeDef
    from types_boto3_ec2.type_defs import InstanceTypeDef

    from terminator.clients import Aws
    from terminator.config.deployment import Config
    from terminator.report.log_lines import Say

Thing = TypeVar("Thing")
Result = TypeVar("Result")

# Kept for serving a group: it is not begun with less, and looking ends before.
GROUP_SECONDS: Final = 45.0
# Kept for describing a group once more.
CONFIRM_SECONDS: Final = 30.0


class OutOfTimeError(KnownError):
    """The time left to the run does not allow what would come next."""


class UnobservedError(KnownError):
    """Something that the rules need to know of a group could not be observed."""


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


@dataclass(frozen=True)
class OptedIn:
    """A group that opted in, as described, with its policy."""

    described: AutoScalingGroupTypeDef
    policy: Policy

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.described["AutoScalingGroupName"]

    @property
    def to_ask(self) -> list[str]:
        """The ids of the members to ask for their version: InService and Healthy."""
        members = self.described.get("Instances", ())
        return [member["InstanceId"] for member in members if _instance(member).in_service]


@dataclass(frozen=True)
class Snapshot:
    """What one run saw of instances, load balancers and releases.

    `rows` is what EC2 says of each instance, `answers` what each answered or why it was not
    asked. `released` maps an app to what it should run (None without a bucket) or to why that
    could not be found out.
    """

    rows: Mapping[str, InstanceTypeDef] = field(default_factory=dict)
    answers: Mapping[str, Answer | Unobserved] = field(default_factory=dict)
    health: Mapping[LoadBalancer, Health | Unobserved] = field(default_factory=dict)
    released: Mapping[str, Released | NoRelease | Unobserved | None] = field(default_factory=dict)


def list_groups(
    world: World, config: Config, scope: Scope, supposed: Mapping[str, Mapping[str, str]]
) -> tuple[list[OptedIn], dict[str, str]]:
    """Return the groups to serve, by name, and why others of the scope cannot be served.

    Those are names that match no group, and groups whose description cannot be read.
    `supposed` maps the names of groups to tags that are taken to be theirs.
    """
    found: list[OptedIn] = []
    unknown = dict.fromkeys(config.names, "no Auto Scaling group has this name")
    for described in describe_groups(world.aws.autoscaling, config.names, tagged=config.tagged):
        name = described["AutoScalingGroupName"]
        unknown.pop(name, None)
        try:
            found.append(opted_in(described, config, supposed.get(name)))
        except Exception as error:  # noqa: BLE001 - one malformed row must not end the run
            unknown[name] = f"its description cannot be read: {explain(error)}"
    if scope.app is not None:
        return [each for each in found if each.policy.app == scope.app], {}
    if scope.groups is not None:
        none = "no group of this name has opted in, by name or by tag"
        names = {each.name for each in found}
        unknown = {name: unknown.get(name, none) for name in scope.groups - names}
        found = [each for each in found if each.name in scope.groups]
    return found, unknown


def opted_in(
    described: AutoScalingGroupTypeDef, config: Config, supposed: Mapping[str, str] | None = None
) -> OptedIn:
    """Return a described group with its policy; `supposed` are tags in place of its own."""
    name = described["AutoScalingGroupName"]
    its_tags = tags_of(described) if supposed is None else supposed
    policy = tags.for_group(name, its_tags, config.defaults, named=name in config.names)
    group = OptedIn(described, policy)
    group.to_ask  # noqa: B018 - what cannot be read fails here, where it costs this group only
    return group


def take_snapshot(world: World, config: Config, groups: Iterable[OptedIn]) -> Snapshot:
    """Observe all groups at once; what could not be observed is data.

    Groups whose settings cannot be read are not asked for anything.
    """
    readable = [each for each in groups if not each.policy.problems]

    def released(app: str) -> Released | NoRelease | None:
        if config.bucket is None:
            return None
        return releases.find(world.aws.s3, config.bucket.name, config.bucket.template, app)

    apps = sorted({each.policy.app for each in readable})
    before = Snapshot(released=_ask_each(world, apps, released))
    return look(world, readable, policies(readable), before)


def policies(groups: Iterable[OptedIn]) -> dict[str, Policy]:
    """Map the ids of the instances to ask to their groups' policies."""
    return {id_: each.policy for each in groups if not each.policy.problems for id_ in each.to_ask}


def look(
    world: World, groups: Sequence[OptedIn], to_ask: Mapping[str, Policy], before: Snapshot
) -> Snapshot:
    """Look at instances and at the load balancers of groups.

    `to_ask` maps the ids of the instances to their groups' policies. What was seen of them
    before does not count any more.
    """
    attached = {each for group in groups for each in attached_to(group.described)}
    in_time = partial(world.require, GROUP_SECONDS, "it was asked")
    rows, failures = describe_instances(world.aws.ec2, sorted(to_ask), in_time)
    health = _ask_each(world, sorted(attached), partial(describe_health, world.aws))

    def seconds() -> float:
        return world.remaining() - GROUP_SECONDS - OVERRUN_SECONDS

    known = {id_: to_ask[id_] for id_ in rows if id_ in to_ask}
    answers = ask_instances(world.probe, seconds, rows, known)
    unknown = {id_: Unobserved(why) for id_, why in failures.items()}
    return Snapshot(
        rows={**before.rows, **rows},
        answers={**before.answers, **unknown, **answers},
        health={**before.health, **health},
        released=before.released,
    )


def _ask_each(
    world: World, things: Iterable[Thing], ask: Callable[[Thing], Result]
) -> dict[Thing, Result | Unobserved]:
    """Ask for each thing; a failure is data, and costs the others nothing."""
    found: dict[Thing, Result | Unobserved] = {}
    for thing in things:
        try:
            world.require(GROUP_SECONDS, "it was asked")
            found[thing] = ask(thing)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are asked
            found[thing] = Unobserved(explain(error))
    return found


def as_seen(
    described: AutoScalingGroupTypeDef,
    policy: Policy,
    snapshot: Snapshot,
    spared: str | None = None,
) -> Group:
    """Return a group as described now, with what the snapshot saw of its members.

    A member that the snapshot has not seen has no answer; one that was `spared` counts as
    protected.
    Raise UnobservedError where anything that the rules need could not be observed.
    """
    released = snapshot.released.get(policy.app)
    if policy.problems:
        released = None  # another group's app may have failed; of this one nothing was asked
    if isinstance(released, Unobserved):
        why = f"cannot read the releases of {plain(policy.app)}: {released.reason}"
        raise UnobservedError(f"could not be observed: {why}")
    health: dict[LoadBalancer, Health] = {}
    for load_balancer in [] if policy.problems else attached_to(described):
        seen = snapshot.health.get(load_balancer, Health())
        if isinstance(seen, Unobserved):
            why = f"cannot read the health at {load_balancer}: {seen.reason}"
            raise UnobservedError(f"could not be observed: {why}")
        health[load_balancer] = seen
    instances: list[Instance] = []
    unasked: dict[str, list[str]] = {}
    for member in described.get("Instances", ()):
        row = snapshot.rows.get(member["InstanceId"])
        instance = _instance(member, row["LaunchTime"] if row else None, spared)
        answer = snapshot.answers.get(instance.id) if instance.in_service else None
        if isinstance(answer, Unobserved):
            unasked.setdefault(answer.reason, []).append(instance.id)
        elif answer is not None:
            instance = replace(instance, answer=answer, unserving=unserving(instance.id, health))
        instances.append(instance)
    if unasked:
        whys = few([f"{few(ids)}: {reason}" for reason, ids in unasked.items()], "; ")
        raise UnobservedError(f"could not be observed: {whys}")
    return Group(
        name=described["AutoScalingGroupName"],
        desired=described["DesiredCapacity"],
        grace=timedelta(seconds=described.get("HealthCheckGracePeriod", 0)),
        instances=tuple(instances),
        released=released,
        status=described.get("Status"),
        suspended=frozenset(
            each.get("ProcessName", "") for each in described.get("SuspendedProcesses", ())
        ),
        capacity_type=described.get("DesiredCapacityType"),
    )


def _instance(
    member: MemberTypeDef, launched: datetime | None = None, spared: str | None = None
) -> Instance:
    return Instance(
        id=member["InstanceId"],
        zone=member.get("AvailabilityZone", ""),
        lifecycle=member.get("LifecycleState", ""),
        health=member.get("HealthStatus", ""),
        launched=launched,
        protected=member.get("ProtectedFromScaleIn", False) or member["InstanceId"] == spared,
        weight=member.get("WeightedCapacity"),
    )
