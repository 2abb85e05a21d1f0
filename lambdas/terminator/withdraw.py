"""Taking a release back in a run: what speaks against it, whether the bucket allows it, doing it.

Apps for which the deployment has it switched off cost no call of AWS, and neither do those whose
groups all have converged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from terminator.decide.group_state import GroupState
from terminator.decide.withdraw import App, Seen, Verdict, has_canary, judge
from terminator.errors import explain
from terminator.marker import Order
from terminator.model import NoRelease, Released
from terminator.observe.autoscaling import Activities
from terminator.observe.snapshot import CONFIRM_SECONDS, OptedIn, Snapshot, World, as_seen
from terminator.observe.templates import origin_of
from terminator.observe.withdrawal import after, ask_alarms, ask_shelf
from terminator.recheck import asked_with

if TYPE_CHECKING:
    from terminator.config.deployment import Bucket, Config
    from terminator.model import Group
    from terminator.reconcile import Served


@dataclass(frozen=True)
class Case:
    """An app whose newest release something speaks against, as the first look had it.

    `groups` are those of the app, and `to_ask` the ids of those to ask again before it is taken
    back.
    """

    app: App
    verdict: Verdict
    groups: tuple[OptedIn, ...]
    to_ask: frozenset[str]


def cases(
    world: World,
    config: Config,
    apps: Mapping[str, Sequence[Served]],
    unseen: Mapping[str, tuple[str, ...]],
    seen: Snapshot,
) -> dict[str, Case]:
    """Judge apps by the first look; return those against whose release something speaks.

    `apps` maps apps for which it is switched on to their groups as planned, and `unseen` to the
    names of those that are or may be theirs and could not be observed.
    """
    bucket, found = config.bucket, dict[str, Case]()
    for name, of_it in apps.items():
        served = [each for each in of_it if not each.opted_in.policy.problems]
        if bucket is None or all(each.name in seen.whole for each in served):
            continue
        as_first_seen = tuple(_seen(world, each.opted_in, each.group, seen) for each in served)
        app = App(
            name,
            bucket.withdraws[name],
            as_first_seen,
            world.clock(),
            config.defaults,
            unseen[name],
        )
        app = _with_bucket(app, bucket, seen)
        app, verdict = _with_alarms(world, app)
        verdict = verdict or judge(app)
        if verdict is None:
            continue
        [accuser] = [each for each in served if each.name == verdict.group]
        to_ask = frozenset(verdict.ids) if verdict.takes_back else frozenset()
        others = asked_with(verdict.ids, accuser.group, seen) if to_ask else frozenset()
        groups = tuple(each.opted_in for each in served)
        found[name] = Case(app, verdict, groups, to_ask | others)
    return found


def _with_bucket(app: App, bucket: Bucket, seen: Snapshot) -> App:
    """Return the app with what the listing of its releases says."""
    listing, released = seen.listings.get(app.name), app.released
    if listing is None or released is None:
        return app
    successor = after(bucket.name, app.name, listing, released.release)
    return replace(app, pointed=listing.pointed, successor=successor)


def _seen(world: World, opted_in: OptedIn, group: Group, seen: Snapshot) -> Seen:
    rows, activities = seen.instances, seen.activities.get(group.name)
    origins = {
        member["InstanceId"]: origin_of(member, rows[member["InstanceId"]].image)
        for member in opted_in.described.get("Instances", ())
        if member["InstanceId"] in rows
    }
    replaced = activities.replaced if isinstance(activities, Activities) else {}
    return Seen(GroupState(group, opted_in.policy, world.clock()), origins, replaced)


def _with_alarms(world: World, app: App) -> tuple[App, Verdict | None]:
    """Return the app with its alarms, asked only where an instance runs the release.

    Where they cannot be asked the verdict says why, and that the release stays.
    """
    if app.released is None or not app.how.alarms or not has_canary(app):
        return app, None
    try:
        world.require(CONFIRM_SECONDS, "its alarms were asked")
        alarms = ask_alarms(world.aws.cloudwatch, app.how.alarms, app.bake_time, app.now)
    except Exception as error:  # noqa: BLE001 - whatever it is, the groups are served
        why = f"its alarms could not be asked: {explain(error)}"
        return app, Verdict(app.name, app.groups[0].name, app.released.release, why)
    return replace(app, alarms=alarms), None


def settle(world: World, config: Config, case: Case, again: Snapshot) -> Verdict:
    """Judge again by the second look and the bucket, and take the release back where both agree.

    In a dry run nothing is taken back. Where it is not certain that it was, the verdict says that
    it failed.
    """
    if not case.verdict.takes_back or config.bucket is None:
        return case.verdict
    try:
        verdict, order = _judge_again(world, config.bucket, case, again)
    except Exception as error:  # noqa: BLE001 - whatever it is, the groups are served
        return case.verdict.stays(f"it could not be looked at again: {explain(error)}")
    return _done(world, verdict, order, case.app.successor, dry_run=config.dry_run)


def _done(
    world: World,
    verdict: Verdict,
    order: Order,
    successor: Released | NoRelease | None,
    *,
    dry_run: bool,
) -> Verdict:
    """Take the release back, and return what came of it."""
    if not verdict.takes_back:
        return verdict
    if world.withdraw is None:
        return verdict.stays("no function that takes it back is deployed")
    try:
        refused = None if dry_run else world.withdraw(order)
    except Exception as error:  # noqa: BLE001 - whatever it is, the groups are served
        why = f"{verdict.reason}, but taking it back failed: {explain(error)}"
        return replace(verdict, takes_back=False, failed=True, reason=why)
    if refused is not None or not isinstance(successor, Released):
        return verdict.stays(refused or "nothing would become the target")
    becomes = f"{successor.release.version} becomes the target"
    return replace(verdict, reason=f"{verdict.reason}; {becomes}")


def _judge_again(
    world: World, bucket: Bucket, case: Case, again: Snapshot
) -> tuple[Verdict, Order]:
    release, successor = case.verdict.release, case.app.successor
    groups = tuple(
        _seen(world, each, as_seen(each.described, each.policy, again), again)
        for each in case.groups
    )
    order = Order(case.app.name, release.key, release.etag, "")
    app = replace(case.app, groups=groups, now=world.clock())
    verdict = judge(app)
    if verdict is None:
        return case.verdict.stays("asked again that is no longer so"), order
    if not verdict.takes_back or not isinstance(successor, Released):
        return verdict, order

    def in_time() -> None:
        world.require(CONFIRM_SECONDS, "its bucket was asked")

    releases = release, successor.release
    shelf = ask_shelf(world.aws.s3, bucket, app.name, releases, in_time)
    verdict = judge(replace(app, shelf=shelf)) or verdict
    return verdict, replace(order, version_id=shelf.version_id)
