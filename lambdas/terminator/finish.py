"""Finishing a group within a run: confirm what was planned, act, report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from terminator import terminate as act
from terminator.config.tags import Policy
from terminator.decide.plan import plan
from terminator.model import Decision, Hold
from terminator.observe import autoscaling as describe
from terminator.observe import survey
from terminator.observe.survey import CONFIRM_SECONDS, Subject
from terminator.planning import Run, held, safely, seen_group, turned
from terminator.report import record as report
from terminator.report.record import Outcome

# What was read with one of these says nothing under another.
_LOOKED_WITH: Final = ("app", "scheme", "port", "path", "host", "version_field", "alarms")


def finished(run: Run, subject: Subject, outcome: Outcome) -> Outcome:
    """Confirm and act, where the plan chose anybody, and report."""
    if outcome.to_terminate:
        outcome = safely(outcome, partial(_confirmed, run, subject, outcome))
    if outcome.decision is not None:
        _say(run, report.opening(outcome.name, outcome.decision))
    if outcome.to_terminate and not outcome.dry_run:
        outcome = safely(outcome, partial(_acted, run, outcome))
    return reported(run, outcome)


def reported(run: Run, outcome: Outcome) -> Outcome:
    """Say what became of a group, and return it."""
    _say(run, report.closing(outcome))
    return outcome


def _say(run: Run, lines: list[report.Line]) -> None:
    for line in lines:
        run.world.say(line)


def _confirmed(run: Run, subject: Subject, outcome: Outcome) -> Outcome:
    """Describe the group once more, plan anew, and keep what both plans chose."""
    world = run.world
    if outcome.group is None or outcome.decision is None:
        raise ValueError(f"{outcome.name} was not planned")
    world.require(CONFIRM_SECONDS, "it was confirmed")
    described = describe.describe_groups(world.aws.autoscaling, [subject.name], tagged=False)
    if not described:
        return held(outcome, _changed("the group has gone since this run began"))
    fresh = survey.subject(described[0], run.config)
    if _looked_otherwise(subject.policy, fresh.policy):
        return held(outcome, _changed("its settings have changed since this run began"))
    group = seen_group(run, fresh.described, fresh.policy)
    group = replace(group, guards=outcome.group.guards)
    second = plan(group, fresh.policy, world.clock())
    return replace(outcome, group=group, decision=_agreed(outcome.decision, second))


def _looked_otherwise(one: Policy, other: Policy) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in _LOOKED_WITH)


def _agreed(first: Decision, second: Decision) -> Decision:
    """Return the second decision with those to_terminate only that both plans chose."""
    chosen = frozenset(first.to_terminate)
    to_terminate = tuple(each for each in second.to_terminate if each in chosen)
    # The zip was read for a canary only.
    unproven = second.kind == "canary" and first.kind != "canary"
    if second.to_terminate and (
        not to_terminate or unproven or first.second_look != second.second_look
    ):
        reason = "the group has changed since this run began: both plans chose nothing alike"
        return turned(second, _changed(reason))
    return replace(second, to_terminate=to_terminate)


def _changed(reason: str) -> Hold:
    return Hold("group_changed", reason)


def _acted(run: Run, outcome: Outcome) -> Outcome:
    if outcome.group is None or outcome.decision is None:
        raise ValueError(f"{outcome.name} was not planned")
    _say(run, [report.acting(outcome.group, outcome.decision)])
    client, to_terminate = run.world.aws.terminating, outcome.to_terminate
    return replace(outcome, acted=act.terminate(client, to_terminate, run.world.remaining))
