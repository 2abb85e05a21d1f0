"""Planning a group within a run: over the snapshot, and over the guards where it would act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from terminator.config.tags import Policy
from terminator.decide.plan import plan
from terminator.errors import Failure, KnownError, attempt
from terminator.model import Decision, Group, Hold
from terminator.observe import preflight as guards
from terminator.observe import snapshot as observe
from terminator.observe.snapshot import Snapshot
from terminator.observe.survey import GROUP_SECONDS, Subject, World
from terminator.report.record import Outcome

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

    from terminator.config.deployment import Config


@dataclass(frozen=True)
class Run:
    """A run and what it has seen; `spared` are ids that a second look spared."""

    world: World
    config: Config
    snapshot: Snapshot
    spared: frozenset[str] = frozenset()


def planned(run: Run, subject: Subject) -> Outcome:
    """Plan over the snapshot; where that would act, ask the guards and plan again."""
    outcome = Outcome(subject.name, subject.policy.app, dry_run=run.config.dry_run)
    return safely(outcome, partial(_planned, run, subject, outcome))


def _planned(run: Run, subject: Subject, outcome: Outcome) -> Outcome:
    if failure := observe.problem(subject.described, subject.policy, run.snapshot):
        raise KnownError(f"could not be observed: {failure}")
    group = seen_group(run, subject.described, subject.policy)
    decision = plan(group, subject.policy, run.world.clock())
    if decision.to_terminate:
        run.world.require(GROUP_SECONDS, "it was begun")
        asked = guards.ask(run.world, run.config.bucket, group, subject.policy, decision.kind)
        group = replace(group, guards=asked)
        decision = plan(group, subject.policy, run.world.clock())
    return replace(outcome, group=group, decision=decision)


def seen_group(run: Run, described: AutoScalingGroupTypeDef, policy: Policy) -> Group:
    """Return a group as described, with what the run saw; who was spared counts as protected."""
    group = observe.to_group(described, policy, run.snapshot)
    members = (replace(i, protected=True) if i.id in run.spared else i for i in group.instances)
    return replace(group, instances=tuple(members))


def safely(outcome: Outcome, serve: Callable[[], Outcome]) -> Outcome:
    """Serve a group, or return its outcome so far as failed."""
    served = attempt(serve)
    return failed(outcome, served) if isinstance(served, Failure) else served


def failed(outcome: Outcome, failure: Failure) -> Outcome:
    """Return the outcome of a group that could not be served, and so has no decision."""
    return replace(outcome, decision=None, error=failure.why)


def held(outcome: Outcome, hold: Hold) -> Outcome:
    """Return the outcome with its decision turned into a hold."""
    if outcome.decision is None:
        return outcome
    return replace(outcome, decision=turned(outcome.decision, hold))


def turned(decision: Decision, hold: Hold) -> Decision:
    """Return the decision as a hold, with its figures."""
    return Decision("hold", hold.reason, decision.figures, hold=hold.name)
