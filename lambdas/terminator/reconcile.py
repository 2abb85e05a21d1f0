"""A run: observe, plan, look twice where in doubt, confirm, act, report, group by group.

Nothing is kept between runs: the next one is the retry of whatever this one could not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from terminator import recheck as second_look
from terminator.errors import Failure, attempt
from terminator.finish import finished, reported
from terminator.model import Hold
from terminator.observe import survey
from terminator.observe.survey import GROUP_SECONDS, Scope, Subject, World
from terminator.planning import Run, failed, held, planned
from terminator.recheck import Doubt
from terminator.report import record as report
from terminator.report.record import Outcome

if TYPE_CHECKING:
    from terminator.config.deployment import Config

# Kept for a second look: its wait, and describing and asking again.
SECOND_LOOK_SECONDS: Final = second_look.WAIT_SECONDS + 45.0


@dataclass(frozen=True)
class _First:
    """A group and what the first plan made of it."""

    subject: Subject
    outcome: Outcome


def reconcile(world: World, config: Config, scope: Scope | None = None) -> list[Outcome]:
    """Serve every group in scope once, and return what became of each, by name.

    Each outcome is reported through `world.say` as soon as it is known. A group's failure is
    its outcome and never stops another; a failure to list the groups is raised.
    """
    served, strays = survey.subjects(world, config, scope or Scope())
    if not served and not strays:
        world.say(report.nothing_to_serve())
    run = Run(world, config, survey.snapshot(world, config, served))
    looked = world.clock()
    outcomes = [reported(run, stray) for stray in strays]
    doubted: list[_First] = []
    for subject in served:
        outcome = planned(run, subject)
        if outcome.is_doubted:
            doubted.append(_First(subject, outcome))
        else:
            outcomes.append(finished(run, subject, outcome))
    outcomes += _after_second_look(run, served, doubted, looked)
    return sorted(outcomes, key=lambda outcome: outcome.name)


def _after_second_look(
    run: Run, served: Sequence[Subject], firsts: Sequence[_First], looked: datetime
) -> list[Outcome]:
    """Look again at those whose chosen is in doubt, once for all, and finish them."""
    doubts = {first.subject.name: _doubt(run, first) for first in firsts}
    after = _looked_again(run, served, doubts, looked) if firsts else run
    outcomes = []
    for first in firsts:
        doubt = doubts[first.subject.name]
        if isinstance(doubt, Failure):
            outcomes.append(reported(run, failed(first.outcome, doubt)))
        elif isinstance(after, Failure):
            outcomes.append(reported(run, failed(first.outcome, after)))
        else:
            outcomes.append(_judged(after, first, doubt))
    return outcomes


def _doubt(run: Run, first: _First) -> Doubt | Failure:
    return attempt(partial(second_look.doubt, first.subject, first.outcome, run.snapshot))


def _looked_again(
    run: Run, served: Sequence[Subject], doubts: dict[str, Doubt | Failure], looked: datetime
) -> Run | Failure:
    if run.world.remaining() < SECOND_LOOK_SECONDS + GROUP_SECONDS:
        return Failure("time ran out before its second look")
    clear = [doubt for doubt in doubts.values() if isinstance(doubt, Doubt)]
    policies = survey.policies(served)
    look = partial(second_look.look_again, run.world, clear, policies, run.snapshot, looked)
    after = attempt(look)
    return after if isinstance(after, Failure) else replace(run, snapshot=after)


def _judged(run: Run, first: _First, doubt: Doubt) -> Outcome:
    """Plan again over the second look; a chosen that it spares stays for this run."""
    reason = attempt(partial(second_look.spared, doubt, run.snapshot))
    if isinstance(reason, Failure):
        return reported(run, failed(first.outcome, reason))
    if reason is not None:
        run = replace(run, spared=frozenset({doubt.chosen}))
    outcome = planned(run, first.subject)
    if reason is not None and (outcome.is_doubted or not outcome.to_terminate):
        outcome = held(outcome, Hold("instance_spared", reason))
    elif outcome.is_doubted and outcome.to_terminate != (doubt.chosen,):
        another = "another instance is presumed outdated: it is asked twice first"
        outcome = held(outcome, Hold("instance_spared", another))
    return finished(run, first.subject, outcome)
