"""A run: observe, plan, confirm, act, report, group by group.

Nothing is kept between runs: the next one is the retry of whatever this one could not do.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terminator import act, describe, guards, observe, report, second_look, survey
from terminator.errors import AWS_ERRORS, explain
from terminator.model import Decision
from terminator.observe import Snapshot
from terminator.plan import plan
from terminator.policy import Policy
from terminator.report import Outcome
from terminator.second_look import Doubt
from terminator.survey import Scope, Subject, World

if TYPE_CHECKING:
    from terminator.config import Config

# What serving a group takes when every call is slow and retried.
GROUP_SECONDS: Final = 45.0
# What a second look takes: its wait, and describing and asking again.
SECOND_LOOK_SECONDS: Final = second_look.WAIT_SECONDS + 30.0

# What was read with one of these says nothing under another.
_LOOKED_WITH: Final = ("app", "scheme", "port", "path", "host", "version_field", "alarms")


class OutOfTimeError(Exception):
    """The time left to the run does not allow what would come next."""


@dataclass(frozen=True)
class _Run:
    world: World
    config: Config
    snapshot: Snapshot


@dataclass(frozen=True)
class _First:
    """A group and what the first plan made of it."""

    subject: Subject
    outcome: Outcome

    @property
    def is_doubted(self) -> bool:
        return self.outcome.decision is not None and self.outcome.decision.second_look

    @property
    def doubt(self) -> Doubt:
        group, victims = self.outcome.group, _victims(self.outcome)
        if group is None or not victims:
            raise ValueError(f"{self.outcome.name} has no victim")
        return Doubt(self.subject, group, victims[0])


def reconcile(world: World, config: Config, scope: Scope | None = None) -> list[Outcome]:
    """Serve every group in scope once, and return what became of each, by name.

    Each outcome is reported through `world.say` as soon as it is known. A group's failure is
    its outcome and never stops another; only a failure to list the groups is raised.
    """
    served, strays = survey.subjects(world, config, scope or Scope())
    run = _Run(world, config, survey.snapshot(world, config, served))
    looked = world.clock()
    firsts = [_First(each, _safely(each, partial(_planned, run, each))) for each in served]
    outcomes = [_reported(run, stray) for stray in strays]
    outcomes += [_finished(run, first) for first in firsts if not first.is_doubted]
    outcomes += _after_second_look(run, [first for first in firsts if first.is_doubted], looked)
    return sorted(outcomes, key=lambda outcome: outcome.name)


def _safely(subject: Subject, serve: Callable[[], Outcome]) -> Outcome:
    try:
        return serve()
    except OutOfTimeError as error:
        why = f"time ran out {error}"
    except AWS_ERRORS as error:
        why = explain(error)
    except Exception as error:  # noqa: BLE001 - a group's failure must not stop another
        frame = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{explain(error)} ({Path(frame.filename).name}:{frame.lineno})"
    return Outcome(subject.name, subject.policy.app, error=why)


def _planned(run: _Run, subject: Subject) -> Outcome:
    outcome = Outcome(subject.name, subject.policy.app, dry_run=run.config.dry_run)
    if failure := observe.problem(subject.described, subject.policy, run.snapshot):
        return replace(outcome, error=f"could not be observed: {failure}")
    group = observe.to_group(subject.described, subject.policy, run.snapshot)
    return replace(outcome, group=group, decision=plan(group, subject.policy, run.world.clock()))


def _after_second_look(run: _Run, firsts: list[_First], looked: datetime) -> list[Outcome]:
    if not firsts:
        return []
    if run.world.remaining() < SECOND_LOOK_SECONDS + GROUP_SECONDS:
        why = "time ran out before its second look"
        return [_reported(run, replace(f.outcome, decision=None, error=why)) for f in firsts]
    doubts = [first.doubt for first in firsts]
    after = second_look.look_again(run.world, doubts, run.snapshot, looked)
    again = replace(run, snapshot=after)
    spare = partial(_spared, again, doubts)
    looks = [_First(f.subject, _safely(f.subject, partial(spare, f))) for f in firsts]
    return [_finished(again, look) for look in looks]


def _spared(run: _Run, doubts: list[Doubt], first: _First) -> Outcome:
    """Return the first outcome, held where the second look spares the victim."""
    subject, outcome = first.subject, first.outcome
    if failure := observe.problem(subject.described, subject.policy, run.snapshot):
        return replace(outcome, decision=None, error=f"could not be observed: {failure}")
    reason = second_look.spared(first.doubt, doubts, run.snapshot)
    return outcome if reason is None else _held(outcome, reason)


def _finished(run: _Run, first: _First) -> Outcome:
    """Confirm and act, where the first plan chose anybody, and report."""
    outcome = first.outcome
    if _victims(outcome):
        outcome = _safely(first.subject, partial(_confirmed, run, first))
    if outcome.decision is not None:
        _say(run, report.opening(outcome.name, outcome.decision))
    if _victims(outcome) and not outcome.dry_run:
        outcome = _safely(first.subject, partial(_acted, run, outcome))
    return _reported(run, outcome)


def _reported(run: _Run, outcome: Outcome) -> Outcome:
    _say(run, report.closing(outcome))
    return outcome


def _say(run: _Run, lines: list[report.Line]) -> None:
    for line in lines:
        run.world.say(line)


def _confirmed(run: _Run, first: _First) -> Outcome:
    """Ask the guards, describe the group once more, and keep what both plans chose."""
    world, subject, outcome = run.world, first.subject, first.outcome
    if world.remaining() < GROUP_SECONDS:
        raise OutOfTimeError("before it was begun")
    if outcome.group is None or outcome.decision is None:
        raise ValueError(f"{outcome.name} was not planned")
    asked = guards.ask(
        world.aws, run.config.bucket, outcome.group, subject.policy, outcome.decision
    )
    described = describe.describe_groups(world.aws.autoscaling, [subject.name], tagged=False)
    if not described:
        return _held(outcome, "the group has gone since this run began")
    fresh = survey.subject(described[0], run.config)
    if _looked_otherwise(subject.policy, fresh.policy):
        return _held(outcome, "its settings have changed since this run began")
    group = replace(observe.to_group(fresh.described, fresh.policy, run.snapshot), guards=asked)
    second = plan(group, fresh.policy, world.clock())
    return replace(outcome, group=group, decision=_agreed(outcome.decision, second))


def _looked_otherwise(one: Policy, other: Policy) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in _LOOKED_WITH)


def _agreed(first: Decision, second: Decision) -> Decision:
    """Return the second decision with those victims only that both plans chose."""
    victims = tuple(victim for victim in second.victims if victim in first.victims)
    # The zip was read for a canary only.
    unproven = second.kind == "canary" and first.kind != "canary"
    if second.victims and (not victims or unproven or first.second_look != second.second_look):
        reason = "the group has changed since this run began: both plans chose nothing alike"
        return replace(second, kind="hold", reason=reason, victims=(), second_look=False)
    return replace(second, victims=victims)


def _held(outcome: Outcome, reason: str) -> Outcome:
    if outcome.decision is None:
        return outcome
    held = replace(outcome.decision, kind="hold", reason=reason, victims=(), second_look=False)
    return replace(outcome, decision=held)


def _victims(outcome: Outcome) -> tuple[str, ...]:
    return outcome.decision.victims if outcome.decision is not None else ()


def _acted(run: _Run, outcome: Outcome) -> Outcome:
    if outcome.group is None or outcome.decision is None:
        raise ValueError(f"{outcome.name} was not planned")
    _say(run, report.acting(outcome.group, outcome.decision))
    client, victims = run.world.aws.terminating, outcome.decision.victims
    return replace(outcome, acted=act.terminate(client, victims, run.world.remaining))
