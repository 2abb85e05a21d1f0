"""One run: observe, decide, look again, confirm, terminate, report.

Nothing is kept between runs: the next one is the retry of whatever this one could not do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from terminator import refresh
from terminator.decide.app import (
    Planned,
    goes_before,
    is_proven,
    let_others_first,
    name_who_waits,
    recycle_later,
    wait_for,
)
from terminator.decide.group_state import GroupState
from terminator.decide.holds import hold
from terminator.decide.plan import confirmed, guard, plan
from terminator.decide.replace import replace_named
from terminator.errors import KnownError, UnknownGroupsError, UnknownInstancesError, explain
from terminator.model import (
    Decision,
    Group,
    NoRelease,
    Preflight,
    Released,
    Request,
    StartedBy,
)
from terminator.observe.autoscaling import describe_groups
from terminator.observe.preflight import ask_preflight
from terminator.observe.snapshot import (
    CONFIRM_SECONDS,
    GROUP_SECONDS,
    OptedIn,
    Scope,
    Snapshot,
    World,
    as_seen,
    list_groups,
    opted_in,
    take_snapshot,
)
from terminator.recheck import asked_with, look_again, spared
from terminator.report import log_lines
from terminator.report.record import Record
from terminator.terminate import Terminations, terminate
from terminator.text import count, few, meant, plain
from terminator.withdraw import Case, cases, settle

if TYPE_CHECKING:
    from terminator.config.deployment import Config
    from terminator.config.tags import Policy
    from terminator.decide.withdraw import Verdict

EVERYTHING: Final = Scope()
# What was read with one of these says nothing under another.
_LOOKED_WITH: Final = (
    *("app", "order", "scheme", "port", "path", "host", "alarm_names"),
    *("version_field", "version_header", "version_prefix", "version_suffix"),
    *("follow", "images", "after"),
)


class ServedInPartError(KnownError):
    """Not all groups could be listed; `records` are those of the groups that were served."""

    def __init__(self, records: list[Record], why: str) -> None:
        super().__init__(why)
        self.records = records


class WithdrawError(KnownError):
    """A release should have been taken back, and it is not certain that it was."""


@dataclass(frozen=True)
class Supposing:
    """What to take for given in place of what is there.

    `released` maps apps to what they should run, `tags` names of groups to their tags.
    """

    released: Mapping[str, Released | NoRelease] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """A group on its way through a run: as it was observed, and what was decided.

    `preflight` is what the guards of a group that would act answered. `asked_with` are the ids
    of those to ask again with instances in doubt; `spared` are those that a second look spared.
    """

    opted_in: OptedIn
    group: Group
    decision: Decision
    preflight: Preflight = field(default_factory=Preflight)
    asked_with: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.opted_in.name

    @property
    def app(self) -> str:
        """The app whose releases it runs."""
        return self.opted_in.policy.app

    @property
    def to_ask(self) -> tuple[str, ...]:
        """The ids of those to ask again: the instances in doubt, and those asked with them."""
        return (*self.decision.to_terminate, *self.asked_with)

    def state(self, now: datetime) -> GroupState:
        """Return the group in the words of the rules."""
        return GroupState(self.group, self.opted_in.policy, now)


Item = TypeVar("Item", OptedIn, Served)
Done = TypeVar("Done")


@dataclass(frozen=True)
class Run:
    """What the steps of a run share.

    `apps` maps apps to their groups, as planned before any guard was asked; `canaries` maps
    those to the group whose canary has gone in this run, and `verdicts` to what was decided about
    taking their newest release back. `unobserved` maps apps to their groups that could not be
    planned, and `unlisted` says why not all groups are known. `request` is what a person asked for
    in place of what the rules say, and `started_by` what began the run. `records` are those made
    so far, and `gone` are the ids of those that went, may have gone, or in a dry run would have
    gone.
    """

    world: World
    config: Config
    scope: Scope
    request: Request | None = None
    started_by: StartedBy | None = None
    unlisted: str | None = None
    apps: dict[str, list[Planned]] = field(default_factory=dict)
    unobserved: dict[str, list[str]] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def groups_of(self, app: str) -> Sequence[Planned]:
        """Return the groups of an app."""
        return self.apps.get(app, ())

    def goes_first(self, policy: Policy) -> str | None:
        """Say which of the apps that a group goes after goes first, and why; None where none."""
        if policy.after and self.unlisted:
            return f"{' and '.join(policy.after)} may have groups that could not be listed"
        found = (
            goes_before(app, self.groups_of(app), self.unobserved.get(app, ()))
            for app in policy.after
        )
        return "; ".join(filter(None, found)) or None

    def plan(self, group: Group, policy: Policy, preflight: Preflight | None = None) -> Decision:
        """Plan a group: by its rules, or what a person asked for; under guards that were asked."""
        now = self.world.clock()
        if self.request:
            return replace_named(group, policy, now, self.request, preflight)
        decision = plan(group, policy, now)
        return guard(decision, group, policy, now, preflight) if preflight else decision

    def report(self, record: Record) -> Record:
        """Keep the record of a group, and say what it says."""
        record = replace(record, started_by=self.started_by)
        if self.request:
            record = replace(record, requested_by=plain(self.request.by))
        self.records.append(record)
        for line in log_lines.closing(record):
            self.world.say(line)
        return record

    def each(self, step: Callable[[Item], Done], groups: Iterable[Item]) -> list[Done]:
        """Take a step for every group; one that fails is reported, and served no further."""
        done: list[Done] = []
        for group in groups:
            try:
                done.append(step(group))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are served
                if self.scope.covers(group):
                    self.report(_failed(self.config, group, explain(error)))
        return done


def reconcile(  # noqa: PLR0913, PLR0917 - all that a run is told
    world: World,
    config: Config,
    scope: Scope = EVERYTHING,
    supposing: Supposing | None = None,
    request: Request | None = None,
    started_by: StartedBy | None = None,
) -> list[Record]:
    """Serve every group in scope once, and return the record of each, by name.

    Each record is reported through `world.say` as soon as it is known. A group's failure is
    its record and never stops another; a failure to list the groups is raised, after those that
    were listed are served. Before anything is done UnknownGroupsError is raised where a group in
    scope has not opted in. With `supposing` the run ends with what would be decided: nothing is
    terminated. With `request` it does what a person asked for, to the groups of those instances
    and in place of what the rules say; raise UnknownInstancesError where one is in no group.
    `started_by` is what began it, for the records.
    """
    supposed = supposing or Supposing()

    # Observe: beside the groups in scope the others of their apps, and those that go before.
    listed, lost, failure = list_groups(world.aws.autoscaling, config, supposed.tags)
    if request:
        scope = _holding(listed, request, failure)
    _require(scope, {*lost, *(group.name for group in listed)}, failure)
    run = Run(world, config, scope, request, started_by, unlisted=failure)
    groups, unknown = scope.narrow(listed, lost)
    if not groups and not unknown:
        world.say(log_lines.nothing_to_serve())
    for name, why in sorted(unknown.items()):
        run.report(Record.of(name, error=why, dry_run=config.dry_run))
    seen = take_snapshot(world, config, groups, supposed.released)
    looked = world.clock()

    # Decide: every group by itself, then those in scope under their guards and their app's.
    planned = run.each(partial(_plan, run, seen), groups)
    for one in planned:
        run.apps.setdefault(one.app, []).append(Planned(one.state(looked), one.decision))
    known = {one.name for one in planned}
    for each in groups:
        if each.name not in known:
            run.unobserved.setdefault(each.app, []).append(each.name)
    served = run.each(partial(_guard, run), filter(scope.covers, planned))
    if supposing:
        return _by_name([*run.records, *(_record(config, one) for one in served)])

    against = _cases(run, seen, planned, listed, [*lost, *([failure] if failure else [])])

    # Confirm, terminate and report what is certain. Of an app one canary goes in a run.
    in_doubt = [one for one in served if one.decision.look_again]
    others = [one for one in served if not one.decision.look_again]
    run.each(partial(_finish, run, seen), [one for one in others if one.app not in against])

    # Look again at what is in doubt, and finish that: one wait serves all groups.
    in_doubt = run.each(partial(_choose_others, seen), in_doubt)
    policies = {member.id: each.policy for each in groups for member in each.members}
    asked = {id_ for one in in_doubt for id_ in one.to_ask}
    asked |= {id_ for case in against.values() for id_ in case.to_ask}
    looked_at = {one.name: one.opted_in for one in in_doubt}
    looked_at |= {each.name: each for case in against.values() for each in case.groups}
    to_ask = {id_: policies[id_] for id_ in sorted(asked)}
    again = look_again(world, [*looked_at.values()], to_ask, seen, looked)
    run.verdicts.update({app: settle(world, config, case, again) for app, case in against.items()})
    run.each(partial(_finish, run, seen), [one for one in others if one.app in against])
    in_doubt = run.each(partial(_judge, run, again), in_doubt)
    run.each(partial(_finish, run, again), in_doubt)
    if failure:
        raise ServedInPartError(_by_name(run.records), failure)
    return _by_name(run.records)


def _require(scope: Scope, known: AbstractSet[str], failure: str | None) -> None:
    """Raise UnknownGroupsError where none of the groups that opted in has a name of the scope.

    Where not all could be listed, nobody knows.
    """
    lost = [plain(name) for name in sorted((scope.groups or frozenset()) - known)]
    if lost and failure is None:
        raise UnknownGroupsError(
            f"no group of this name has opted in, by name or by tag: {few(lost)}"
            f"{meant(lost[0], known)}"
        )


def _holding(groups: Iterable[OptedIn], request: Request, failure: str | None) -> Scope:
    """Return the groups of the instances that a person named; raise UnknownInstancesError."""
    of = {member.id: group.name for group in groups for member in group.members}
    if lost := [plain(id_) for id_ in sorted(set(request.ids) - of.keys())]:
        told = f"in no group that opted in: {few(lost)}"
        if failure is not None:
            raise ServedInPartError([], f"{told}; {failure}")
        raise UnknownInstancesError(told)
    return Scope(groups=frozenset(of[id_] for id_ in request.ids))


def _plan(run: Run, seen: Snapshot, opted_in: OptedIn) -> Served:
    """Plan a group over what was seen."""
    group = as_seen(opted_in.described, opted_in.policy, seen)
    return Served(opted_in, group, run.plan(group, opted_in.policy))


def _guard(run: Run, served: Served) -> Served:
    """Ask the guards of a group that would act, and whether another of its app goes first."""
    world, policy, app = run.world, served.opted_in.policy, run.groups_of(served.app)
    planned = Planned(served.state(world.clock()), served.decision)
    if not served.decision.acts:
        return replace(served, decision=name_who_waits(served.decision, planned, app))
    world.require(GROUP_SECONDS, "it was begun")
    preflight = ask_preflight(world, run.config.bucket, served.group, policy, served.decision)
    preflight = replace(preflight, other_app=run.goes_first(policy))
    if run.request:
        decision = run.plan(served.group, policy, preflight)
    else:
        decision = guard(served.decision, served.group, policy, world.clock(), preflight)
        decision = let_others_first(decision, planned, app)
    return replace(served, decision=decision, preflight=preflight)


def _cases(
    run: Run,
    seen: Snapshot,
    planned: Sequence[Served],
    listed: Sequence[OptedIn],
    lost: Sequence[str],
) -> dict[str, Case]:
    """Return the apps against whose newest release something speaks, where the run may act on it.

    `lost` says what could not be listed or described: it may be a group of any app. So may a group
    of which it cannot be read whose it is.
    """
    if run.request or run.config.bucket is None:
        return {}
    in_scope = {one.app for one in filter(run.scope.covers, planned)}
    apps = {
        app: [one for one in planned if one.app == app]
        for app in sorted(in_scope & run.config.bucket.withdraws.keys())
    }
    read = {one.name for one in planned if not one.opted_in.policy.problems}
    others = [each for each in listed if each.name not in read]
    of_any = {each.name for each in others if each.policy.problems and each.app == each.name}
    unseen: dict[str, tuple[str, ...]] = {}
    for app in apps:
        own = {each.name for each in others if each.app == app}
        unseen[app] = tuple(plain(each) for each in (*lost, *sorted(own | of_any)))
    covered = {one.name for one in filter(run.scope.covers, planned)}
    found = cases(run.world, run.config, apps, unseen, seen)
    return {app: case for app, case in found.items() if case.verdict.group in covered}


def _choose_others(seen: Snapshot, served: Served) -> Served:
    """Choose whom to ask again with the instances that are in doubt."""
    others = asked_with(served.decision.to_terminate, served.group, seen)
    return replace(served, asked_with=others)


def _judge(run: Run, seen: Snapshot, served: Served) -> Served:
    """Decide over the second look; instances that it spares stay for this run."""
    chosen, opted_in = served.decision.to_terminate, served.opted_in
    group = as_seen(opted_in.described, opted_in.policy, seen)
    whys = spared(chosen, served.asked_with, served.group, group, seen)
    left = tuple(id_ for id_ in chosen if id_ not in whys)
    if left:
        decision = replace(served.decision, to_terminate=left)
        return replace(served, group=group, decision=decision, spared=frozenset(whys))
    group = as_seen(opted_in.described, opted_in.policy, seen, frozenset(whys))
    decision = plan(group, opted_in.policy, run.world.clock())
    again = replace(served, group=group, decision=decision, spared=frozenset(whys))
    if decision.acts and not decision.look_again:
        return _guard(run, again)
    reason = few([f"{id_} is spared: {why}" for id_, why in whys.items()], "; ")
    return replace(again, decision=hold("instance_spared", reason, again.state(run.world.clock())))


def _finish(run: Run, seen: Snapshot, served: Served) -> Record:
    """Confirm and act, where anything was chosen, and report. Of an app one canary goes."""
    world, app = run.world, served.app
    served = _held_back(run, served)
    if served.decision.acts:
        served = _confirm(run, seen, served)
    is_canary = served.decision.kind in {"canary", "surge"}
    state = served.state(world.clock())
    if is_canary and app in run.canaries and not is_proven(run.groups_of(app), state):
        served = replace(served, decision=wait_for([run.canaries[app]], state))
    is_recycle = served.decision.kind == "recycle"
    if is_recycle and app in run.canaries:
        # One that is ill has not converged.
        later = wait_for if served.decision.look_again else recycle_later
        served = replace(served, decision=later([run.canaries[app]], state))
    if served.decision.acts:
        served = replace(served, decision=_limit(run, served.decision, state))
    for line in log_lines.opening(served.name, served.decision):
        world.say(line)
    done = Terminations()
    if served.decision.acts and not run.config.dry_run:
        world.say(log_lines.acting(served.group, served.decision))
        done = _act(world, served.name, served.decision)
    would_go = served.decision.goes if run.config.dry_run or done.refresh else ()
    went = (*would_go, *done.terminated, *done.unclear)
    run.gone.extend(went)
    if (is_canary or is_recycle) and went:
        run.canaries.setdefault(app, served.name)
    record = _record(run.config, served, done)
    verdict = run.verdicts.get(app)
    if verdict and verdict.group == served.name:
        withdrawn = str(verdict.release.version) if verdict.takes_back else None
        record = replace(record, withdrawn=withdrawn, withdrawal=verdict.reason)
    return run.report(record)


def _act(world: World, group: str, decision: Decision) -> Terminations:
    """Terminate who was chosen, or start the instance refresh that replaces one."""
    if decision.surge:
        return refresh.start(world.aws.terminating, group, decision.surge, world.remaining)
    return terminate(world.aws.terminating, decision.to_terminate, world.remaining)


def _held_back(run: Run, served: Served) -> Served:
    """Hold a group whose release is taken back in this run; raise WithdrawError where that failed.

    It is the record of the group that spoke against it that tells.
    """
    verdict = run.verdicts.get(served.app)
    if verdict is None or not (verdict.takes_back or verdict.failed):
        return served
    if verdict.failed and verdict.group == served.name:
        raise WithdrawError(verdict.reason)
    if not served.decision.acts:
        return served
    taken = f"{verdict.release.version} is being taken back"
    state = served.state(run.world.clock())
    return replace(served, decision=hold("release_withdrawn", taken, state))


def _limit(run: Run, decision: Decision, state: GroupState) -> Decision:
    """Return the decision with as many instances as the run may still terminate."""
    most = run.config.defaults.limits.terminations
    left, wanted = most - len(run.gone), len(decision.goes)
    if wanted <= left:
        return decision
    says = f"limits allow {count(most, 'termination')} a run, of all groups"
    if left <= 0:
        return hold("terminations_limit", f"{says}, and as many have gone", state)
    reason = f"{decision.reason}; {says}: {left} of {wanted} go now"
    return replace(decision, reason=reason, to_terminate=decision.to_terminate[:left])


def _confirm(run: Run, seen: Snapshot, served: Served) -> Served:
    """Describe the group once more, plan anew, and keep what both plans chose."""
    world = run.world
    world.require(CONFIRM_SECONDS, "it was confirmed")
    described = describe_groups(world.aws.autoscaling, [served.opted_in.name], tagged=False)
    state = served.state(world.clock())
    if not described:
        gone = "the group has gone since this run began"
        return replace(served, decision=hold("group_changed", gone, state))
    now = opted_in(described[0], run.config)
    policy, before = now.policy, served.opted_in.policy
    if any(getattr(policy, name) != getattr(before, name) for name in _LOOKED_WITH):
        changed = "its settings have changed since this run began"
        return replace(served, decision=hold("group_changed", changed, state))
    if not policy.problems and now.specifications != served.opted_in.specifications:
        changed = "what it launches from has changed since this run began"
        return replace(served, decision=hold("group_changed", changed, state))
    group = as_seen(now.described, policy, seen, served.spared)
    decision = run.plan(group, policy, served.preflight)
    return replace(served, group=group, decision=confirmed(served.decision, decision))


def _record(config: Config, served: Served, done: Terminations | None = None) -> Record:
    return Record.of(
        served.opted_in.name,
        served.app,
        served.group,
        served.decision,
        done,
        dry_run=config.dry_run,
    )


def _failed(config: Config, group: OptedIn | Served, error: str) -> Record:
    """Return the record of a group that could not be served, and so has no decision."""
    seen = group.group if isinstance(group, Served) else None
    return Record.of(group.name, group.app, seen, error=error, dry_run=config.dry_run)


def _by_name(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.group)
