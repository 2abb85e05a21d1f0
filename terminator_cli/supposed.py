"""What would be decided if an app's target, or the tags of a group, were others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from terminator.config.deployment import Config
from terminator.model import NoRelease, Released
from terminator.observe import survey
from terminator.observe.survey import Scope, World
from terminator.planning import Run, planned
from terminator.report import record as report
from terminator.version import Version, same_release
from terminator_cli import reach, running
from terminator_cli.options import Asked
from terminator_cli.reach import Record

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef


@dataclass(frozen=True)
class Effect:
    """What another target means to a group.

    `outdated` counts the instances that are not on it, by version, and `unknown` those whose
    version is not known; `decision` and `reason` are None where only what is deployed sees the
    instances: it plans once the target is set.
    """

    group: str
    instances: int
    outdated: Mapping[str, int]
    unknown: int
    decision: str | None
    reason: str | None


def effects(
    asked: Asked, settings: Config, app: str, wanted: Released
) -> tuple[list[Effect] | None, str | None]:
    """Return what the target would mean to each group of the app, or None and why not."""
    settings = replace(settings, dry_run=True)
    if not asked.local:
        records, trouble = reach.attempt_run(asked, settings)
        return _effects(records, app, wanted), trouble
    world = reach.world(verbose=asked.verbose)
    return _effects(plan_supposing(world, settings, app, wanted), app, wanted, planned=True), None


def plan_supposing(
    world: World, settings: Config, app: str, wanted: Released | NoRelease
) -> list[Record]:
    """Observe the groups of an app, and plan them as if this were their target."""
    served, _ = survey.subjects(world, settings, Scope(app=app))
    seen = survey.snapshot(world, settings, served)
    run = Run(world, settings, replace(seen, released={**seen.released, app: wanted}))
    return [report.record(planned(run, subject)) for subject in served]


def plan_tagged(
    asked: Asked, settings: Config, group: str, tags: Mapping[str, str]
) -> list[Record]:
    """Observe a group in this process, and plan it as if these were its tags."""
    world = reach.world(verbose=asked.verbose)
    served, strays = survey.subjects(world, settings, Scope(groups=frozenset({group})))
    supposed = [survey.subject(_with_tags(each.described, tags), settings) for each in served]
    run = Run(world, settings, survey.snapshot(world, settings, supposed))
    return [report.record(each) for each in (*strays, *(planned(run, s) for s in supposed))]


def _with_tags(
    described: AutoScalingGroupTypeDef, tags: Mapping[str, str]
) -> AutoScalingGroupTypeDef:
    return {**described, "Tags": [{"Key": key, "Value": text} for key, text in tags.items()]}


def _effects(
    records: list[Record] | None, app: str, wanted: Released, *, planned: bool = False
) -> list[Effect] | None:
    if records is None:
        return None
    return [_effect(each, wanted, planned=planned) for each in records if each["app"] == app]


def _effect(record: Record, wanted: Released, *, planned: bool) -> Effect:
    # A group that failed to be observed says so whoever asked.
    told = planned or record["decision"] is None
    return Effect(
        group=record["group"],
        instances=len(record["instances"]),
        unknown=sum(running.without_version(record).values()),
        outdated=_outdated(running.versions(record), wanted.release.version),
        decision=record["decision"] if told else None,
        reason=record["reason"] if told else None,
    )


def _outdated(counted: Counter[str], target: Version) -> Mapping[str, int]:
    return {
        text: counted[text]
        for text in running.newest_first(counted)
        if not same_release(Version.parse(text), target)
    }
