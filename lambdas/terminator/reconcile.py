"""One run: observe, decide, look again, confirm, terminate, report.

Nothing is kept between runs: the next one is the retry of whatever this one could not do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from terminator.decide.holds import hold
from terminator.decide.plan import confirmed, guard, plan
from terminator.errors import explain
from terminator.model import Decision, Group, NoRelease, Preflight, Released
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
from terminator.recheck import asked_with, look_again, why_spared
from terminator.report import log_lines
from terminator.report.record import Record
from terminator.terminate import Terminations, terminate

if TYPE_CHECKING:
    from terminator.config.deployment import Config

EVERYTHING: Final = Scope()
# What was read with one of these says nothing under another.
_LOOKED_WITH: Final = ("app", "scheme", "port", "path", "host", "version_field", "alarms")


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
    of those to ask again with an instance in doubt; `spared` is one that a second look spared.
    """

    opted_in: OptedIn
    group: Group
    decision: Decision
    preflight: Preflight = field(default_factory=Preflight)
    asked_with: frozenset[str] = frozenset()
    spared: str | None = None


Item = TypeVar("Item", OptedIn, Served)
Done = TypeVar("Done")


def reconcile(
    world: World, config: Config, scope: Scope = EVERYTHING, supposing: Supposing | None = None
) -> list[Record]:
    """Serve every group in scope once, and return the record of each, by name.

    Each record is reported through `world.say` as soon as it is known. A group's failure is
    its record and never stops another; a failure to list the groups is raised. With
    `supposing` the run ends with what would be decided: nothing is terminated.
    """
    records: list[Record] = []

    def each(step: Callable[[Item], Done], groups: Iterable[Item]) -> list[Done]:
        """Take a step for every group; one that fails is reported, and served no further."""
        done: list[Done] = []
        for group in groups:
            try:
                done.append(step(group))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are served
                records.append(_report(world, _failed(config, group, explain(error))))
        return done

    # Observe.
    tags = supposing.tags if supposing else {}
    groups, unknown = list_groups(world, config, scope, tags)
    if not groups and not unknown:
        world.say(log_lines.nothing_to_serve())
    for name, why in sorted(unknown.items()):
        records.append(_report(world, Record.of(name, error=why, dry_run=config.dry_run)))
    seen = take_snapshot(world, config, groups)
    looked = world.clock()
    if supposing:
        seen = replace(seen, released={**seen.released, **supposing.released})

    # Decide.
    served = each(partial(_decide, world, config, seen), groups)
    if supposing:
        return _by_name([*records, *(_record(config, one) for one in served)])

    # Confirm, terminate and report what is certain.
    certain = [one for one in served if not one.decision.look_again]
    records += each(partial(_finish, world, config, seen), certain)

    # Look again at what is in doubt, and finish that: one wait serves all groups.
    in_doubt = [one for one in served if one.decision.look_again]
    in_doubt = each(partial(_choose_others, seen), in_doubt)
    if in_doubt:
        to_ask = {
            id_: one.opted_in.policy
            for one in in_doubt
            for id_ in (*one.decision.to_terminate, *one.asked_with)
        }
        seen = look_again(world, [one.opted_in for one in in_doubt], to_ask, seen, looked)
        in_doubt = each(partial(_judge, world, config, seen), in_doubt)
        records += each(partial(_finish, world, config, seen), in_doubt)
    return _by_name(records)


def _decide(
    world: World, config: Config, seen: Snapshot, opted_in: OptedIn, spared: str | None = None
) -> Served:
    """Plan over what was seen; where that would act, ask the guards."""
    policy = opted_in.policy
    group = as_seen(opted_in.described, policy, seen, spared)
    decision = plan(group, policy, world.clock())
    served = Served(opted_in, group, decision, spared=spared)
    if not decision.to_terminate:
        return served
    world.require(GROUP_SECONDS, "it was begun")
    preflight = ask_preflight(world, config.bucket, group, policy, decision)
    decision = guard(decision, group, policy, world.clock(), preflight)
    return replace(served, decision=decision, preflight=preflight)


def _choose_others(seen: Snapshot, served: Served) -> Served:
    """Choose whom to ask again with the instance that is in doubt."""
    (chosen,) = served.decision.to_terminate
    return replace(served, asked_with=asked_with(chosen, served.group, seen))


def _judge(world: World, config: Config, seen: Snapshot, served: Served) -> Served:
    """Decide over the second look; an instance that it spares stays for this run."""
    (chosen,) = served.decision.to_terminate
    opted_in = served.opted_in
    group = as_seen(opted_in.described, opted_in.policy, seen)
    spared = why_spared(chosen, served.asked_with, group, seen)
    if spared is None:
        return replace(served, group=group)
    again = _decide(world, config, seen, opted_in, chosen)
    if again.decision.to_terminate and not again.decision.look_again:
        return again
    return replace(again, decision=hold("instance_spared", spared, again.decision.figures))


def _finish(world: World, config: Config, seen: Snapshot, served: Served) -> Record:
    """Confirm and terminate, where anything was chosen, and report."""
    if served.decision.to_terminate:
        served = _confirm(world, config, seen, served)
    for line in log_lines.opening(served.group.name, served.decision):
        world.say(line)
    done = Terminations()
    if served.decision.to_terminate and not config.dry_run:
        world.say(log_lines.acting(served.group, served.decision))
        done = terminate(world.aws.terminating, served.decision.to_terminate, world.remaining)
    return _report(world, _record(config, served, done))


def _confirm(world: World, config: Config, seen: Snapshot, served: Served) -> Served:
    """Describe the group once more, plan anew, and keep what both plans chose."""
    world.require(CONFIRM_SECONDS, "it was confirmed")
    figures = served.decision.figures
    described = describe_groups(world.aws.autoscaling, [served.opted_in.name], tagged=False)
    if not described:
        gone = "the group has gone since this run began"
        return replace(served, decision=hold("group_changed", gone, figures))
    now = opted_in(described[0], config)
    policy, before = now.policy, served.opted_in.policy
    if any(getattr(policy, name) != getattr(before, name) for name in _LOOKED_WITH):
        changed = "its settings have changed since this run began"
        return replace(served, decision=hold("group_changed", changed, figures))
    group = as_seen(now.described, policy, seen, served.spared)
    decision = plan(group, policy, world.clock())
    decision = guard(decision, group, policy, world.clock(), served.preflight)
    return replace(served, group=group, decision=confirmed(served.decision, decision))


def _record(config: Config, served: Served, done: Terminations | None = None) -> Record:
    opted_in = served.opted_in
    return Record.of(
        opted_in.name,
        opted_in.policy.app,
        served.group,
        served.decision,
        done or Terminations(),
        dry_run=config.dry_run,
    )


def _failed(config: Config, group: OptedIn | Served, error: str) -> Record:
    """Return the record of a group that could not be served, and so has no decision."""
    opted_in = group if isinstance(group, OptedIn) else group.opted_in
    seen = None if isinstance(group, OptedIn) else group.group
    name, app = opted_in.name, opted_in.policy.app
    return Record.of(name, app, seen, error=error, dry_run=config.dry_run)


def _report(world: World, record: Record) -> Record:
    for line in log_lines.closing(record):
        world.say(line)
    return record


def _by_name(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.group)
