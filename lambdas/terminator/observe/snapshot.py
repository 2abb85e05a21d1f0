"""Which groups a run serves, and the one snapshot of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from terminator.config import after, tags
from terminator.config.tags import REPLACE_AFTER_TAG, WITHDRAWN_TAG, Policy
from terminator.config.values import moment
from terminator.errors import KnownError, explain
from terminator.model import (
    Answer,
    Group,
    Instance,
    Launches,
    NoRelease,
    NoTemplate,
    NotProbed,
    NoVersion,
    Refresh,
    Released,
    Unobserved,
)
from terminator.observe.autoscaling import (
    Activities,
    Ec2Instance,
    ListedInPartError,
    describe_activities,
    describe_groups,
    describe_instances,
    healthy_percentage,
    tags_of,
)
from terminator.observe.history import Reach, dated, versions_kept_for
from terminator.observe.load_balancers import (
    Health,
    LoadBalancer,
    attached_to,
    describe_health,
    is_known,
    traffic,
)
from terminator.observe.refreshes import describe_refreshes
from terminator.observe.releases import (
    Listing,
    ListingTooLongError,
    answered,
    chosen,
    list_releases,
    no_app,
    object_tags,
)
from terminator.observe.templates import (
    Described,
    Specification,
    describe_version,
    launches_of,
    origin_of,
    specifications,
)
from terminator.observe.versions import OVERRUN_SECONDS, Probe, ask_instances
from terminator.text import few, plain, quoted
from terminator.version import Version

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_autoscaling.type_defs import InstanceTypeDef as MemberTypeDef

    from terminator.clients import Aws
    from terminator.config.deployment import Config
    from terminator.marker import Order
    from terminator.report.log_lines import Say

_NOT_YET: Final = datetime.max.replace(tzinfo=UTC)
Thing = TypeVar("Thing")
Result = TypeVar("Result")

# Kept for serving a group: it is not begun with less, and looking ends before.
GROUP_SECONDS: Final = 45.0
# No launch hook keeps an instance for longer.
_LONGEST_HOOK: Final = timedelta(days=2)
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html
_ACTIVITIES_KEPT: Final = timedelta(weeks=6)
# By no more than this do the dates of zips and of instances differ.
_LONGEST_DOUBT: Final = timedelta(hours=1)
# The longest that listing one app may take: whoever may write under its prefix can fill it.
_LISTING_SECONDS: Final = 15.0
# Kept for all that comes after the releases of the apps are listed.
_AFTER_LISTING_SECONDS: Final = 180.0
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
    seconds left to this run; `say` takes each log line. `withdraw` takes a release back and
    returns why it did not, None where it did; without it none is taken back.
    """

    aws: Aws
    probe: Probe
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    remaining: Callable[[], float]
    say: Say
    withdraw: Callable[[Order], str | None] | None = None

    def require(self, seconds: float, what: str) -> None:
        """Raise OutOfTimeError where less than that is left, before `what` could be."""
        if self.remaining() < seconds:
            raise OutOfTimeError(f"time ran out before {what}")


class HasApp(Protocol):
    """Anything that is about a group of an app."""

    @property
    def name(self) -> str:
        """The name of the group."""

    @property
    def app(self) -> str:
        """The app whose releases it runs."""


@dataclass(frozen=True)
class Scope:
    """Narrows a run to the groups of one app, or to some groups; it opts nothing in."""

    app: str | None = None
    groups: frozenset[str] | None = None

    def covers(self, group: HasApp) -> bool:
        """Say whether the run serves the group."""
        named = self.groups is None or group.name in self.groups
        return named and self.app in {None, group.app}

    def narrow(
        self, groups: Sequence[OptedIn], unknown: Mapping[str, str]
    ) -> tuple[list[OptedIn], dict[str, str]]:
        """Return the groups to observe, and why others of the scope cannot be served.

        Observed are the groups in scope, the others of their apps, and those of the apps that go
        before them.
        """
        covered = [group for group in groups if self.covers(group)]
        apps = {app for group in covered for app in (group.app, *group.policy.after)}
        observed = [group for group in groups if group.app in apps]
        if self.app is not None:
            return observed, {}
        named = unknown.keys() if self.groups is None else unknown.keys() & self.groups
        return observed, {name: unknown[name] for name in named}


@dataclass(frozen=True)
class OptedIn:
    """A group that opted in, as described, with its policy, and its members as described."""

    described: AutoScalingGroupTypeDef
    policy: Policy
    members: tuple[Instance, ...]

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.described["AutoScalingGroupName"]

    @property
    def app(self) -> str:
        """The app whose releases it runs."""
        return self.policy.app

    @property
    def specifications(self) -> list[Specification]:
        """The versions of launch templates that it follows; none where it does not."""
        if self.policy.problems or not self.policy.follows_template:
            return []
        return specifications(self.described, aliases=self.policy.images)


@dataclass(frozen=True)
class Snapshot:
    """What one run saw of instances, load balancers, releases and scaling activities.

    `instances` are the members that EC2 lists; `unlisted` says of those that could not be
    described why not. `answers` is what each answered, or why it was not asked. `released` maps
    an app to what it should run (None without a bucket), and `activities` the names of groups
    that have not converged to their scaling activities; either may be unobserved. `templates` are
    the versions of launch templates that groups follow, as they were described. Groups that
    are `whole` have converged whatever its dates: for them `undated` has what an app should run.
    `listings` map apps to their releases. `refreshes` has the instance refreshes of groups that
    move, by name, where one may be started.
    """

    instances: Mapping[str, Ec2Instance] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Answer | Unobserved] = field(default_factory=dict)
    health: Mapping[LoadBalancer, Health | Unobserved] = field(default_factory=dict)
    released: Mapping[str, Released | NoRelease | Unobserved | None] = field(default_factory=dict)
    activities: Mapping[str, Activities | Unobserved] = field(default_factory=dict)
    templates: Mapping[Specification, Described] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    undated: Mapping[str, Released | NoRelease | Unobserved | None] = field(default_factory=dict)
    listings: Mapping[str, Listing] = field(default_factory=dict)
    refreshes: Mapping[str, tuple[Refresh, ...] | Unobserved] = field(default_factory=dict)
    now: datetime = _NOT_YET


def list_groups(
    autoscaling: AutoScalingClient,
    config: Config,
    supposed: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> tuple[list[OptedIn], dict[str, str], str | None]:
    """Return the groups that opted in, by name, and why others cannot be served.

    Those are names that match no group, and groups whose description cannot be read.
    `supposed` maps the names of groups to tags that are taken to be theirs. The last value says
    why not all groups could be listed, None where they could.
    """
    found: list[OptedIn] = []
    unknown = dict.fromkeys(config.names, "no Auto Scaling group has this name")
    failure: str | None = None
    try:
        groups = describe_groups(autoscaling, config.names, tagged=config.tagged)
    except ListedInPartError as error:
        groups, failure, unknown = error.groups, str(error), {}
    for described in groups:
        name = described["AutoScalingGroupName"]
        unknown.pop(name, None)
        try:
            found.append(opted_in(described, config, supposed.get(name)))
        except Exception as error:  # noqa: BLE001 - one malformed row must not end the run
            unknown[name] = f"its description cannot be read: {explain(error)}"
    return in_order(found, are_all=failure is None), unknown, failure


def in_order(groups: Iterable[OptedIn], *, are_all: bool) -> list[OptedIn]:
    """Return groups with what is wrong with the apps that they go after among their problems."""
    listed = list(groups)
    policies = after.checked({each.name: each.policy for each in listed}, are_all=are_all)
    return [replace(each, policy=policies[each.name]) for each in listed]


def opted_in(
    described: AutoScalingGroupTypeDef, config: Config, supposed: Mapping[str, str] | None = None
) -> OptedIn:
    """Return a described group with its policy; `supposed` are tags in place of its own."""
    name = described["AutoScalingGroupName"]
    its_tags = tags_of(described) if supposed is None else supposed
    policy = tags.for_group(name, its_tags, config.defaults, named=name in config.names)
    if config.bucket is not None:
        policy = replace(policy, order=config.bucket.order_of(policy.app))
    members = tuple(map(_instance, described.get("Instances", ())))
    return OptedIn(described, policy, members)


def take_snapshot(
    world: World,
    config: Config,
    groups: Iterable[OptedIn],
    supposed: Mapping[str, Released | NoRelease],
) -> Snapshot:
    """Observe all groups at once; what could not be observed is data.

    Groups whose settings cannot be read are not asked for anything. The history of the bucket
    and of the groups is asked of those only that have not converged, and of one that has of
    each of their apps. `supposed` maps apps to what is taken for their release.
    """
    readable = [each for each in groups if not each.policy.problems]
    listings: dict[str, Listing] = {}

    apps = sorted({each.policy.app for each in readable if each.policy.follows_release})

    def released(app: str) -> Released | NoRelease | None:
        if config.bucket is None or (problem := no_app(app)):
            return None if config.bucket is None else problem
        bucket, s3, order = config.bucket, world.aws.s3, config.bucket.order_of(app)
        in_time = _in_time_to_list(world, bucket.template.prefix(app), len(apps) - apps.index(app))
        listings[app] = list_releases(
            s3, bucket.name, bucket.template, app, order, before_each=in_time
        )
        return chosen(s3, bucket.name, app, listings[app])

    targets = {**_ask_each(world, apps, released), **supposed}
    named = sorted({named for each in readable for named in each.specifications})
    templates = _ask_each(world, named, partial(describe_version, world.aws.ec2))
    before = Snapshot(released=targets, listings=listings, templates=templates)
    seen = look(world, readable, _to_ask(readable), before)
    now, settled = world.clock(), {each.name: _is_settled(each, seen) for each in readable}
    moving = [each for each in readable if settled[each.name] is False]
    whole = [each for each in readable if settled[each.name]]
    due = [each for each in whole if _has_due(each, seen, now)]
    before_those = {app for each in moving for app in each.policy.after}
    awaited = [each for each in whole if each.app in before_those]
    surging = [each.name for each in moving if each.policy.surge]
    refreshes = _ask_each(world, surging, partial(describe_refreshes, world.aws.autoscaling))
    apps_that_move = {each.app for each in moving}
    reaches = {
        app: Reach(back_to=_oldest(readable, app, seen) - _LONGEST_DOUBT) for app in apps_that_move
    }
    for app in apps_that_move & supposed.keys():
        target = supposed[app]
        since = target.since if isinstance(target, Released) else None
        reaches[app] = replace(reaches[app], supposed_since=since or now)
    dates = _date_releases(world, config, targets, listings, reaches)
    groups = [*moving, *due, *awaited, *_that_tell(whole, moving, seen)]
    seen = replace(
        seen,
        released={**targets, **dates},
        whole=frozenset(each.name for each in whole),
        undated=targets,
        refreshes=refreshes,
        now=now,
    )
    activities = {
        name: what
        for name, what in _read_activities(world, groups, seen).items()
        # One that has converged does not fail for want of them.
        if isinstance(what, Activities) or not settled[name]
    }
    return replace(seen, activities=activities)


def _in_time_to_list(world: World, prefix: str, apps: int) -> Callable[[int], None]:
    """Return what ends the listing of an app where it takes the time of the apps after it.

    So many apps have still to be listed, this one among them. What one leaves the others have.
    """
    begun = world.remaining()
    seconds = min(_LISTING_SECONDS, max(1.0, (begun - _AFTER_LISTING_SECONDS) / apps))

    def in_time(page: int) -> None:
        if begun - world.remaining() > seconds:
            how_much = f"time ran out: {page} pages of 1,000 took {seconds:.0f} seconds"
            raise ListingTooLongError(prefix, how_much)

    return in_time


def _to_ask(groups: Iterable[OptedIn]) -> dict[str, Policy]:
    """Map the ids of the members that count to their groups' policies."""
    return {member.id: each.policy for each in groups for member in each.members if member.counted}


def _is_settled(opted_in: OptedIn, seen: Snapshot) -> bool | None:
    """Say whether a group has converged whatever its history, None where it cannot be served."""
    try:
        return as_seen(opted_in.described, opted_in.policy, seen).settled
    except Exception:  # noqa: BLE001 - whatever it is, it is reported where the group is planned
        return None


def _has_due(opted_in: OptedIn, seen: Snapshot, now: datetime) -> bool:
    """Say whether any member is due, by age or taint: then it matters how long others serve."""
    rows = (seen.instances.get(member.id) for member in opted_in.members)
    if opted_in.policy.max_age is None and not any(row and row.replace_after for row in rows):
        return False
    group = as_seen(opted_in.described, opted_in.policy, seen)
    members = (each for each in group.instances if each.counted)
    return any(opted_in.policy.is_due(i.created, i.replace_after, now) for i in members)


def _that_tell(
    whole: Iterable[OptedIn], moving: Sequence[OptedIn], seen: Snapshot
) -> list[OptedIn]:
    """Return of apps that move the group that has been whole for longest on each target of theirs.

    Since when its members are in service tells whether the target is proven: if not by this
    group, then by none of the others that are whole. The release is a target, or without a bucket
    any version that members run, and so is what is launched, beside releases or alone.
    """

    def targets(group: OptedIn) -> Iterator[tuple[str, object]]:
        released, launches = _followed(group.described, group.policy, seen)
        if group.policy.follows_release and released is not None:
            yield group.app, None
        elif group.policy.follows_release:
            for each in as_seen(group.described, group.policy, seen).instances:
                yield group.app, each.version
        if group.policy.follows_template:
            yield group.app, (group.policy.follows_release, launches)

    def oldest(group: OptedIn) -> tuple[datetime, str]:
        return _oldest([group], group.app, seen), group.name

    found: dict[tuple[str, object], OptedIn] = {}
    apps = {each.app for each in moving}
    for group in sorted((each for each in whole if each.app in apps), key=oldest):
        for of in targets(group):
            found.setdefault(of, group)
    return list(found.values())


def _oldest(groups: Iterable[OptedIn], app: str, seen: Snapshot) -> datetime:
    """Return when the first of the app's members was created, now where it has none."""
    members = (member for each in groups if each.app == app for member in each.members)
    rows = (seen.instances.get(member.id) for member in members if member.counted)
    return min((row.created for row in rows if row is not None), default=seen.now)


def _read_activities(
    world: World, groups: Iterable[OptedIn], seen: Snapshot
) -> dict[str, Activities | Unobserved]:
    """Read the scaling activities of groups, by name, as far back as the rules ask.

    Where a boot has failed that is to when the target became the target: what it has cost counts.
    """
    by_name = {each.name: each for each in groups}

    def read(name: str) -> Activities:
        policy, described = by_name[name].policy, by_name[name].described
        grace = timedelta(seconds=described.get("HealthCheckGracePeriod", 0))
        warmup = timedelta(seconds=max(0, described.get("DefaultInstanceWarmup", 0)))
        longest = max(policy.longest_retry, grace + policy.bake_time, policy.warm_up or warmup)
        in_time = partial(world.require, GROUP_SECONDS, "its scaling activities were read")
        read_from = seen.now - _LONGEST_HOOK - longest
        found = describe_activities(world.aws.autoscaling, name, read_from, in_time)
        target = seen.released.get(policy.app) if policy.follows_release else None
        if not isinstance(target, Released) or target.since is None or not found.taken:
            return found
        if target.since >= read_from or not _has_failed(by_name[name], target, seen):
            return found
        read_from = max(target.since - _LONGEST_DOUBT, seen.now - _ACTIVITIES_KEPT)
        return describe_activities(world.aws.autoscaling, name, read_from, in_time)

    return _ask_each(world, by_name, read)


def _has_failed(opted_in: OptedIn, target: Released, seen: Snapshot) -> bool:
    """Say whether any member does not run the target that is older than a canary may take."""
    try:
        group = as_seen(opted_in.described, opted_in.policy, seen)
    except UnobservedError:  # nothing of it goes
        return False
    latest = seen.now - opted_in.policy.canary_retry
    old = (i for i in group.instances if i.in_service and i.created and i.created <= latest)
    return any(not (i.serves and i.version and target.is_run_by(i.version)) for i in old)


def _date_releases(
    world: World,
    config: Config,
    targets: Mapping[str, Released | NoRelease | Unobserved | None],
    listings: Mapping[str, Listing],
    reaches: Mapping[str, Reach],
) -> dict[str, Released | Unobserved]:
    """Return the targets of these apps with their dates, as the bucket's history tells them."""
    s3, bucket = world.aws.s3, config.bucket
    to_date = {
        app: target
        for app in sorted(reaches.keys() & listings.keys())
        if isinstance(target := targets[app], Released)
    }
    if bucket is None or not to_date:
        return {}
    kept_for = _ask_each(world, [bucket.name], partial(versions_kept_for, s3))[bucket.name]
    if isinstance(kept_for, Unobserved):
        why = Unobserved(f"cannot read its bucket's lifecycle rules: {kept_for.reason}")
        return dict.fromkeys(to_date, why)
    kept_since = None if kept_for is None else world.clock() - kept_for

    def date(app: str) -> Released:
        reach = replace(reaches[app], kept_since=kept_since)
        target = dated(s3, bucket.name, listings[app], to_date[app], reach)
        if app not in bucket.withdraws or target.since is None:
            return target
        id_ = listings[app].version_id(target.release)
        if WITHDRAWN_TAG not in object_tags(s3, bucket.name, target.release.key, id_):
            return target
        # The marker that was there says no more when it was put and when it was removed.
        return replace(target, since=None, restored=True)

    return _ask_each(world, to_date, date)


def look(
    world: World, groups: Sequence[OptedIn], to_ask: Mapping[str, Policy], before: Snapshot
) -> Snapshot:
    """Look at instances and at the load balancers of groups.

    `to_ask` maps the ids of the instances, of these groups or of others, to their groups'
    policies: those that EC2 runs are asked for their version, but members of these groups that
    are not in service, or whose group follows its launch template alone. What was seen of them
    before does not count any more.
    """
    attached = {each for group in groups for each in attached_to(group.described)}
    in_time = partial(world.require, GROUP_SECONDS, "it was asked")
    members = {member.id: member for group in groups for member in group.members}
    # Those of other groups were described before.
    zones = {id_: row.zone for id_, row in before.instances.items()}
    zones |= {id_: member.zone for id_, member in members.items()}
    found, failures = describe_instances(world.aws.ec2, sorted(to_ask), in_time, zones)
    known = sorted(filter(is_known, attached))
    health = _ask_each(world, known, partial(describe_health, world.aws))

    def seconds() -> float:
        return world.remaining() - GROUP_SECONDS - OVERRUN_SECONDS

    out = {id_ for id_, member in members.items() if not member.in_service}
    running = {id_ for id_, row in found.items() if row.running} - out
    asked = {
        id_: policy for id_, policy in to_ask.items() if id_ in running and policy.follows_release
    }
    answers = ask_instances(world.probe, seconds, found, asked)
    old_answers = {id_: what for id_, what in before.answers.items() if id_ not in to_ask}
    old_rows = {id_: row for id_, row in before.instances.items() if id_ not in to_ask}
    return replace(
        before,
        instances={**old_rows, **found},
        unlisted={**before.unlisted, **failures},
        answers={**old_answers, **answers},
        health={**before.health, **health},
        now=world.clock(),
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
    spared: frozenset[str] = frozenset(),
) -> Group:
    """Return a group as described now, with what the snapshot saw of its members.

    A member that the snapshot has not seen has no answer; one that was `spared` counts as
    protected. Raise UnobservedError where anything that the rules need could not be observed.
    """
    name = described["AutoScalingGroupName"]
    activities = snapshot.activities.get(name)
    refreshes = snapshot.refreshes.get(name, ())
    released, launches = _followed(described, policy, snapshot)
    attached = [] if policy.problems else attached_to(described)
    health = {each: snapshot.health.get(each) for each in attached if is_known(each)}
    problems = [
        f"cannot read {what}: {seen.reason}"
        for what, seen in (
            (f"the releases of {plain(policy.app)}", released),
            ("its scaling activities", activities),
            ("its instance refreshes", refreshes),
            ("what it launches from", launches),
            *((f"the health at {each}", seen) for each, seen in health.items()),
        )
        if isinstance(seen, Unobserved)
    ]
    # One that was attached since then was not asked.
    known = {each: seen for each, seen in health.items() if not isinstance(seen, Unobserved)}
    instances: list[Instance] = []
    unasked: dict[str, list[str]] = {}
    for member in described.get("Instances", ()):
        instance = _instance(member, snapshot, activities, spared)
        if isinstance(launches, Launches):
            row = snapshot.instances.get(instance.id)
            image = row.image if row and launches.images else None
            instance = replace(instance, origin=origin_of(member, image))
        answer = snapshot.answers.get(instance.id)
        unlisted = snapshot.unlisted.get(instance.id)
        if instance.counted and unlisted is not None and not policy.problems:
            unasked.setdefault(unlisted, []).append(instance.id)
        elif instance.in_service and isinstance(answer, Unobserved):
            unasked.setdefault(answer.reason, []).append(instance.id)
        elif instance.in_service and isinstance(answer, Version | NoVersion):
            if isinstance(answer, Version) and policy.app in snapshot.listings:
                answer = answered(snapshot.listings[policy.app], answer)
            instance = replace(instance, answer=answer, traffic=traffic(instance.id, known))
        elif instance.in_service and not policy.problems and not policy.follows_release:
            seen_of_it = traffic(instance.id, known)
            instance = replace(instance, answer=NotProbed(), traffic=seen_of_it)
        instances.append(instance)
    problems += [f"{few(ids)}: {reason}" for reason, ids in unasked.items()]
    if problems:
        raise UnobservedError(f"could not be observed: {few(problems, '; ')}")
    if (
        isinstance(released, Unobserved)
        or isinstance(activities, Unobserved)
        or isinstance(launches, Unobserved)
        or isinstance(refreshes, Unobserved)
    ):
        raise TypeError(name)
    warmup = described.get("DefaultInstanceWarmup", -1)
    return Group(
        name=name,
        desired=described["DesiredCapacity"],
        grace=timedelta(seconds=described.get("HealthCheckGracePeriod", 0)),
        instances=tuple(instances),
        released=released,
        launches=launches,
        status=described.get("Status"),
        suspended=frozenset(
            each.get("ProcessName", "") for each in described.get("SuspendedProcesses", ())
        ),
        capacity_type=described.get("DesiredCapacityType"),
        warmup=timedelta(seconds=warmup) if warmup > 0 else None,
        healthy_percentage=healthy_percentage(described),
        operator=described.get("Operator", {}).get("Principal"),
        warm_pool="WarmPoolConfiguration" in described,
        unknown_sources=tuple(str(each) for each in attached if not is_known(each)),
        failed_launches=activities.failed_launches if activities else (),
        failed_checks=tuple(activities.replaced.values()) if activities else (),
        taken=activities.taken if activities else (),
        load_balanced=bool(attached),
        health_checks=frozenset(described.get("HealthCheckType", "").split(",")),
        max_size=described.get("MaxSize", 0),
        refreshes=refreshes,
    )


def _tainted(instance: Instance, text: str) -> Instance:
    """Return an instance with what its tag says; text that is no time is told, and does nothing."""
    try:
        return replace(instance, replace_after=moment(text))
    except ValueError:
        accepted = "a time such as 2026-11-30T06:00:00Z"
        told = f"tag {REPLACE_AFTER_TAG} says {quoted(text)}; accepted is {accepted}"
        return replace(instance, taint_problem=told)


def _followed(
    described: AutoScalingGroupTypeDef, policy: Policy, snapshot: Snapshot
) -> tuple[
    Released | NoRelease | Unobserved | None,
    Launches | NoTemplate | Unobserved | None,
]:
    """Return the release and what launches use now, each None where a group does not follow it."""
    if policy.problems:
        return None, None
    released = snapshot.released.get(policy.app) if policy.follows_release else None
    if isinstance(released, Unobserved) and described["AutoScalingGroupName"] in snapshot.whole:
        released = snapshot.undated.get(policy.app)
    if not policy.follows_template:
        return released, None
    templates = snapshot.templates
    return released, launches_of(described, aliases=policy.images, described=templates)


def _instance(
    member: MemberTypeDef,
    snapshot: Snapshot | None = None,
    activities: Activities | Unobserved | None = None,
    spared: frozenset[str] = frozenset(),
) -> Instance:
    id_ = member["InstanceId"]
    row = snapshot.instances.get(id_) if snapshot else None
    known = activities if isinstance(activities, Activities) else None
    since = (
        known.entered_service(id_, row.created, snapshot.now)
        if known and row and snapshot
        else None
    )
    instance = Instance(
        id=id_,
        zone=member.get("AvailabilityZone", ""),
        lifecycle=member.get("LifecycleState", ""),
        health=member.get("HealthStatus", ""),
        running=snapshot is None or (row is not None and row.running),
        created=row.created if row else None,
        in_service_since=since,
        taken_from_pool=known.from_pool.get(id_) if known else None,
        began_leaving=known.leaving.get(id_) if known else None,
        protected=member.get("ProtectedFromScaleIn", False) or id_ in spared,
        weight=member.get("WeightedCapacity"),
        type=member.get("InstanceType", ""),
    )
    if row is not None and row.replace_after is not None:
        return _tainted(instance, row.replace_after)
    return instance
