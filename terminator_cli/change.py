"""Another release for an app to run: what it means to its groups, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.text import Text

from terminator.model import Released
from terminator.text import count, plain
from terminator_cli import output
from terminator_cli.output import STYLES
from terminator_cli.streams import WHY, Stream, Why
from terminator_cli.supposed import Effect

NEWEST: Final = "newest"


@dataclass(frozen=True)
class Change:
    """The pointer of an app is set to a release, or removed where `wanted` is the newest."""

    stream: Stream
    wanted: Released
    why: Why

    @property
    def needed(self) -> bool:
        """Whether it changes anything."""
        if self.why == NEWEST:
            return self.stream.listing.pointed
        return not (self.stream.listing.pointed and self.stream.target == self.wanted.release)


def show(change: Change, found: Sequence[Effect] | None) -> None:
    """Show it, and what it means to each group; `found` is None where that is not known."""
    stream, console = change.stream, output.console()
    now = f"{stream.target.version} ({WHY[stream.why]})" if stream.target else "nothing"
    then = f"{change.wanted.release.version} ({WHY[change.why]})"
    text = Text().append(stream.app, "bold").append(f" is to run {now}")
    console.print(text.append(f"\n  then {then}"), soft_wrap=True)
    for effect in found or ():
        console.print(_effect(effect, str(change.wanted.release.version)))
    if found == []:
        console.print(f"no group of {stream.app} has opted in")


def _effect(effect: Effect, target: str) -> Text:
    text = Text().append(plain(effect.group), "bold").append(f"\n  {_replaced(effect, target)}")
    if effect.reason is None:
        return text
    kind = effect.decision or "failed"
    return text.append(f"\n  {kind}", STYLES[effect.decision]).append(f": {plain(effect.reason)}")


def _replaced(effect: Effect, target: str) -> str:
    each = [f"{version} on {count(n, 'instance')}" for version, n in effect.outdated.items()]
    each += [f"not known on {count(effect.unknown, 'instance')}"] if effect.unknown else []
    of = count(effect.instances, "instance")
    outdated = sum(effect.outdated.values())
    return f"{outdated} of {of} not on {target}" + (f": {', '.join(each)}" if each else "")


def document(
    change: Change, found: Sequence[Effect] | None, *, changed: bool, dry_run: bool
) -> Mapping[str, object]:
    """Return what `--json` prints."""
    stream = change.stream
    return {
        "app": stream.app,
        "bucket": stream.bucket,
        "pointer": stream.pointer,
        "before": str(stream.target.version) if stream.target else None,
        "before_source": stream.why,
        "target": str(change.wanted.release.version),
        "target_source": change.why,
        "changed": changed,
        "dry_run": dry_run,
        "groups": None if found is None else [asdict(each) for each in found],
    }
