"""A run: observe, plan, confirm, act, report, group by group.

Nothing is kept between runs: the next one is the retry of whatever this one could not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from terminator import act, describe, guards, observe, report, second_look, survey
from terminator.errors import Failure, KnownError, attempt
from terminator.model import Decision, Group
from terminator.observe import Snapshot
from terminator.plan import plan
from terminator.policy import Policy
from terminator.report import Outcome
from terminator.second_look import Doubt
from terminator.survey import GROUP_SECONDS, Scope, Subject, World

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

    from terminator.config import Config

# Kept for a second look: its wait, and describing and asking again.
SECOND_LOOK_SECONDS: Final = second_look.WAIT_SECONDS + 30.0

# Kept for describing a group once more.
CONFIRM_SECONDS: Final = 30.0

# What was read with one of these says nothing under another.
_LOOKED_WITH: Final = ("app", "scheme", "port", "path", "host", "version_field", "alarms")


class OutOfTimeError(KnownError):
    """The time left to the run does not allow what would come next."""


@dataclass(frozen=True)
class _Run:
    """A run and what it has seen; `spared` are ids that a second look spared."""

    world: World
    config: Config
    snapshot: Snapshot
    spared: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _First:
    """A group and what the plan before the last look made of it."""

    subject: Subject
    outcome: Outcome

    @property
    def is_doubted(self) -> bool:
        return self.outcome.decision is not None and self.outcome.decision.second_look


def reconcile(world: World, config: Config, scope: Scope | None = None) -> list[Outcome]:
    """Serve every group in scope once, and return what became of each, by name.

    Each outcome is reported through `world.say` as soon as it is known. A group's failure is
    its outcome and never stops another; a failure to list the groups is raised.
    """
    served, strays = survey.subjects(world, config, scope or Scope())
    if not served and not strays:
        world.say(report.nothing_to_serve())
    run = _Run(world, config, survey.snapshot(world, config, served))
    looked = world.clock()
    outcomes = [_reported(run, stray) for stray in strays]
    doubted: list[_First] = []
    for subject in served:
        first = _First(subject, _planned(run, subject))
        if first.is_doubted:
            doubted.append(first)
        else:
            outcomes.append(_finished(run, first))
    outcomes += _after_second_look(run, served, doubted, looked)
    return sorted(outcomes, key=lambda outcome: outcome.name)


def _planned(run: _Run, subject: Subject) -> Outcome:
    """Plan over the snapshot; where that would act, ask the guards and plan again."""
    outcome = Outcome(subject.name, subject.policy.app, dry_run=run.config.dry_run)
    return _safely(outcome, partial(_plan, run, subject, outcome))


def _plan(run: _Run, subject: Subject, outcome: Outcome) -> Outcome:
    if failure := observe.problem(subject.described, subject.policy, run.snapshot):
        raise KnownError(f"could not be observed: {failure}")
    group = _group(run, subject.described, subject.policy)
    decision = plan(group, subject.policy, run.world.clock())
    if decision.victims:
        group = _guarded(run, group, subject.policy, decision)
        decision = plan(group, subject.policy, run.world.clock())
    return replace(outcome, group=group, decision=decision)


def _group(run: _Run, described: AutoScalingGroupTypeDef, policy: Policy) -> Group:
    group = observe.to_group(described, policy, run.snapshot)
    spared = (replace(i, protected=True) if i.id in run.spared else i for i in group.instances)
    return replace(group, instances=tuple(spared))


def _guarded(run: _Run, group: Group, policy: Policy, decision: Decision) -> Group:
    if run.world.remaining() < GROUP_SECONDS:
        raise OutOfTimeError("time ran out before it was begun")
    asked = guards.ask(run.world.aws, run.config.bucket, group, policy, decision)
    return replace(group, guards=asked)


def _safely(outcome: Outcome, serve: Callable[[], Outcome]) -> Outcome:
    served = attempt(serve)
    if isinstance(served, Failure):
        return replace(outcome, decision=None, error=served.why)
    return served


def _after_second_look(
    run: _Run, served: list[Subject], firsts: list[_First], looked: datetime
) -> list[Outcome]:
    if not firsts:
        return []
    if run.world.remaining() < SECOND_LOOK_SECONDS + GROUP_SECONDS:
        why = "time ran out before its second look"
        return [_reported(run, replace(f.outcome, decision=None, error=why)) for f in firsts]
    doubts = [_doubt(run, first) for first in firsts]
    policies = survey.policies(served)
    look = partial(second_look.look_again, run.world, doubts, policies, run.snapshot, looked)
    after = attempt(look)
    if isinstance(after, Failure):
        failed = [replace(f.outcome, decision=None, error=after.why) for f in firsts]
        return [_reported(run, outcome) for outcome in failed]
    again = replace(run, snapshot=after)
    return [_judged(again, first, doubt) for first, doubt in zip(firsts, doubts, strict=True)]


def _doubt(run: _Run, first: _First) -> Doubt:
    group, victims = first.outcome.group, _victims(first.outcome)
    if group is None or not victims:
        raise ValueError(f"{first.outcome.name} has no victim")
    return second_look.doubt(first.subject, group, victims[0], run.snapshot)


def _judged(run: _Run, first: _First, doubt: Doubt) -> Outcome:
    """Plan again over the second look; a victim that it spares stays for this run."""
    reason = attempt(partial(second_look.spared, doubt, run.snapshot))
    if isinstance(reason, str):
        run = replace(run, spared=frozenset({doubt.victim}))
    outcome = _planned(run, first.subject)
    decision = outcome.decision
    if isinstance(reason, str) and decision and (decision.second_look or not decision.victims):
        outcome = _held(outcome, reason)
    elif decision and decision.second_look and decision.victims != (doubt.victim,):
        outcome = _held(outcome, "another instance is presumed outdated: it is asked twice first")
    return _finished(run, _First(first.subject, outcome))


def _finished(run: _Run, first: _First) -> Outcome:
    """Confirm and act, where the plan chose anybody, and report."""
    outcome = first.outcome
    if _victims(outcome):
        outcome = _safely(outcome, partial(_confirmed, run, first))
    if outcome.decision is not None:
        _say(run, report.opening(outcome.name, outcome.decision))
    if _victims(outcome) and not outcome.dry_run:
        outcome = _safely(outcome, partial(_acted, run, outcome))
    return _reported(run, outcome)


def _reported(run: _Run, outcome: Outcome) -> Outcome:
    _say(run, report.closing(outcome))
    return outcome


def _say(run: _Run, lines: list[report.Line]) -> None:
    for line in lines:
        run.world.say(line)


def _confirmed(run: _Run, first: _First) -> Outcome:
    """Describe the group once more, plan anew, and keep what both plans chose."""
    world, subject, outcome = run.world, first.subject, first.outcome
    if outcome.group is None or outcome.decision is None:
        raise ValueError(f"{outcome.name} was not planned")
    if world.remaining() < CONFIRM_SECONDS:
        raise OutOfTimeError("time ran out before it was confirmed")
    described = describe.describe_groups(world.aws.autoscaling, [subject.name], tagged=False)
    if not described:
        return _held(outcome, "the group has gone since this run began")
    fresh = survey.subject(described[0], run.config)
    if _looked_otherwise(subject.policy, fresh.policy):
        return _held(outcome, "its settings have changed since this run began")
    group = _group(run, fresh.described, fresh.policy)
    group = replace(group, guards=outcome.group.guards)
    second = plan(group, fresh.policy, world.clock())
    return replace(outcome, group=group, decision=_agreed(outcome.decision, second))


def _looked_otherwise(one: Policy, other: Policy) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in _LOOKED_WITH)


def _agreed(first: Decision, second: Decision) -> Decision:
    """Return the second decision with those victims only that both plans chose."""
    chosen = frozenset(first.victims)
    victims = tuple(victim for victim in second.victims if victim in chosen)
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
    _say(run, [report.acting(outcome.group, outcome.decision)])
    client, victims = run.world.aws.terminating, outcome.decision.victims
    return replace(outcome, acted=act.terminate(client, victims, run.world.remaining))
