"""What another target would mean to the groups of an app, told before it is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.text import Text

from terminator.model import Released
from terminator.observe.snapshot import Scope
from terminator.reconcile import Supposing
from terminator.report.record import Record, shown
from terminator.text import count
from terminator.version import Version, stands_for
from terminator_cli import output, reach
from terminator_cli.options import Asked
from terminator_cli.output import STYLES
from terminator_cli.records import follows_releases, newest_first, versions, without_version

if TYPE_CHECKING:
    from terminator.config.deployment import Config
    from terminator_cli.stream import Stream


@dataclass(frozen=True)
class Effect:
    """What a change means to a group.

    `outdated` counts the instances that are not on the new target, by version, and `unknown`
    those whose version is not known. At least `minimum` of `desired` stay available; both are
    None where nothing was observed. `decision`, `standing` and `reason` are None where nobody
    planned with the new target.
    """

    group: str
    instances: int
    outdated: Mapping[str, int]
    unknown: int
    desired: int | None
    minimum: int | None
    decision: str | None
    standing: str | None
    reason: str | None


def effects(
    asked: Asked, app: str, target: Version, supposed: Released | None
) -> tuple[list[Effect] | None, str | None]:
    """Return what another target would mean to each group of an app, or None and why not.

    With --local a run plans with the target that is `supposed`. What is deployed tells who runs
    what, and so does --local where there is none to plan with, as long as its zip is not there.
    """
    config, scope = replace(asked.config, dry_run=True), Scope(app=app)
    planned = asked.local and supposed is not None
    supposing = Supposing(released={app: supposed}) if planned and supposed else None
    records, trouble = reach.attempt_run(asked, config, scope, supposing)
    if records is None:
        return None, trouble
    mine = (record for record in records if record.app == app and follows_releases(record))
    return [_effect(record, target, planned=planned) for record in mine], trouble


def _effect(record: Record, target: Version, *, planned: bool) -> Effect:
    counted = versions(record)
    others = [text for text in counted if not stands_for(text, str(target))]
    # A group that failed to be observed says so whoever asked.
    tells = planned or record.decision is None
    return Effect(
        group=record.group,
        instances=len(record.instances),
        outdated={text: counted[text] for text in newest_first(others)},
        unknown=sum(without_version(record).values()),
        desired=record.desired,
        minimum=record.minimum,
        decision=record.decision if tells else None,
        standing=record.standing if tells else None,
        reason=record.reason if tells else None,
    )


def show(stream: Stream, found: Sequence[Effect] | None, config: Config) -> None:
    """Show what a change means to each group of an app; None where that is not known."""
    console = output.console()
    for effect in found or ():
        console.print(Text(shown(effect.group), "bold"))
        output.print_text(console, Text(_goes(effect)), indent=2)
        if effect.standing is not None:
            text = Text().append(effect.standing, STYLES[effect.standing])
            text.append(f": {shown(effect.reason or '')}")
            output.print_text(console, text, indent=2)
    if found == []:
        output.print_text(console, Text(reach.none_of(stream.app, config)))
    if config.dry_run and any(effect.outdated for effect in found or ()):
        console.print("dry_run is true in the settings: what is deployed terminates nobody")


def _goes(effect: Effect) -> str:
    """Say how many of a group go, what they run, and how many stay available."""
    each = [f"{shown(text)} on {count(n, 'instance')}" for text, n in effect.outdated.items()]
    each += [f"not known on {count(effect.unknown, 'instance')}"] if effect.unknown else []
    of = count(effect.instances, "instance")
    going = sum(effect.outdated.values())
    said = f"{going} of {of} to replace" + (f": {', '.join(each)}" if each else "")
    if not going or effect.minimum is None or effect.desired is None:
        return said
    stay = f"at least {effect.minimum} of {effect.desired} stay available"
    return f"{said}; {stay}{', so none may go' if effect.minimum >= effect.desired else ''}"
