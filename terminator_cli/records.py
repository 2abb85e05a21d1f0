"""Decision records for people: who runs what, and where each group stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from terminator.report.log_lines import withdrawal
from terminator.report.record import InstanceRecord, Record, shown
from terminator.text import count, timeless
from terminator.version import NotAVersionError, Version, stands_for
from terminator_cli.output import STYLES

# What the last line of a group's block is about, by its standing.
_LABELS: Final = {
    "replace": "next",
    "canary": "next",
    "surge": "next",
    "recycle": "next",
    "waiting": "why",
    "needs attention": "why",
    "converged": "done",
    "failed": "why",
}
_SOURCES: Final[Mapping[str | None, str]] = {
    "released": "released",
    "pointer": "its pointer names it",
    "highest": "the highest that runs",
    "template": "what launches use",
}


def versions(record: Record) -> Counter[str]:
    """Count the versions that a group's instances answered with.

    Where the group follows its launch template alone: what they were launched from.
    """
    return Counter(each.version for each in record.instances if each.version)


def without_version(record: Record) -> Counter[str]:
    """Count the other instances by the reason they gave, or by the state they are in."""
    states = (
        each.reason or ", ".join(filter(None, (each.lifecycle, each.health)))
        for each in record.instances
        if not each.version
    )
    return Counter(states)


def follows_releases(record: Record) -> bool:
    """Say whether the versions of a record are releases, and not what is launched from."""
    return record.target_source != "template"


def newest_first(counted: Iterable[str]) -> list[str]:
    """Return versions, or what instances were launched from, the highest first."""
    return sorted(counted, key=by_version, reverse=True)


def by_version(text: str) -> tuple[bool, Any, str]:
    """Return what a version is ordered by; what has no order by its text alone is below all.

    What is launched from goes by its number.
    """
    try:
        return True, Version.parse(text), text
    except NotAVersionError:
        template, _, version = text.partition(" ")[0].rpartition(":")
        number = int(version) if version.isdecimal() else 0
        return False, (template, number), text


def on_target(version: str | None, record: Record) -> bool:
    """Say whether a version is known, and stands for the group's target.

    What was launched from a template is on target where nothing of it has to be replaced.
    """
    if version is None or record.target is None:
        return False
    if not follows_releases(record):
        return all(each.cause is None for each in record.instances if each.version == version)
    return stands_for(version, record.target)


def has_converged(record: Record) -> bool:
    """Say whether the group has converged."""
    return record.decision == "converged"


def progress(record: Record) -> tuple[int, int]:
    """Return how many instances are available on target, and of how many."""
    if record.available is None:
        return 0, record.desired or 1
    done = record.available - (record.outdated or 0)
    return done, max(record.desired or 0, done, 1)


def line(record: Record) -> str:
    """Return where a group stands as one line, and what is to be done where a person has to."""
    done, of = progress(record)
    name, reason = shown(record.group), shown(record.reason)
    told = f"{name} => {done} of {of} on target, {standing(record)}: {reason}"
    more = [told, shown(withdrawal(record) or "")]
    more += [f"to do: {shown(record.remedy)}"] if record.remedy else []
    return "; ".join(filter(None, more))


def said(record: Record) -> tuple[object, ...]:
    """Return what a decision came to and rests on, without what time alone changes.

    Two that are equal tell a reader the same. Where a reason counts time, the instances without
    an answer are told apart by theirs.
    """
    why = timeless(record.reason)
    unanswered = [(each.id, each.reason) for each in record.instances if each.reason is not None]
    return (
        (record.decision, record.hold, record.needs_attention, why),
        unanswered if why != record.reason else None,
        record.canary and (record.canary.id, timeless(record.canary.says)),
        # Who asks for a plan of what would do nothing is told what a run would be.
        (record.target, record.source, record.dry_run and bool(record.would_go)),
        (record.desired, record.minimum, record.available, record.unavailable),
        (record.in_flight, record.outdated, record.stale, record.overdue),
        (record.would_go, record.refresh, record.deferred, record.failed),
        (record.withdrawn, timeless(record.withdrawal or "")),
    )


def by_need(records: Iterable[Record]) -> list[Record]:
    """Return records in their order, but first those that need a person, then those that failed."""
    return sorted(records, key=lambda each: (not each.needs_attention, not each.has_failed))


def standing(record: Record) -> Text:
    """Return how a group stands; whatever is decided, that it needs attention stands out."""
    text = Text(record.standing, STYLES[record.standing])
    if record.canary:
        text.append(f" ({shown(str(record.canary))})", "not bold")
    if record.needs_attention and record.decision != "hold":
        text.append(", ").append("needs attention", STYLES["needs attention"])
    return text


def wants(record: Record) -> str:
    """Return the target and where it comes from: `1.0.274 (released)`."""
    target = shown(record.target or "none")
    return f"{target} ({record.source})" if record.target and record.source else target


def runs(record: Record) -> str:
    """Return the versions of those that were available: `1.0.266`, `1.0.266 to 1.0.274`."""
    ends = [shown(each) for each in (record.lowest, record.highest) if each]
    return " to ".join(dict.fromkeys(ends))


def why_it_goes(instance: InstanceRecord) -> str:
    """Return what makes an instance one to replace, empty where nothing of it does."""
    version, reason = shown(instance.version or ""), shown(instance.reason or "")
    ran = f"ran {version}" if version else "was made for another release"
    whys = {
        "release": f"{ran} and was dead ({reason})" if reason else ran,
        "template": f"was launched from {shown(instance.template or 'something else')}",
        "image": f"was launched from {shown(instance.template or 'another image')}",
        "age": "was due by its age",
        "taint": "was due by its tag terminator:replace-after",
        "ill": f"was ill ({reason})",
    }
    return whys.get(instance.cause or "", f"ran {version}" if version else "")


def by_why(ids: Sequence[str], record: Record) -> dict[str, list[str]]:
    """Return instances by what makes them go; several mostly go for the same."""
    here = {each.id: each for each in record.instances}
    found: dict[str, list[str]] = {}
    for id_ in ids:
        why = f"it {why_it_goes(here[id_])}" if id_ in here else ""
        found.setdefault(why if why != "it " else "", []).append(id_)
    return found


def asked_by(record: Record) -> str:
    """Return who asked for the run: a person for `replace`, else what began it, in a word."""
    if record.requested_by:
        return f"{shown(record.requested_by)} (replace)"
    return record.started_by or ""


def title(record: Record) -> Text:
    """Return the name of a group and how it stands."""
    return Text().append(shown(record.group), "bold").append("  ").append(standing(record))


def block(record: Record) -> RenderableType:
    """Return a group as a block of lines; nothing is cut, however narrow the terminal."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(min_width=9, no_wrap=True, style="dim")
    rows.add_column(overflow="fold")
    if record.available is not None:
        target = f"{shown(record.target or 'nothing')} of {shown(record.app or '')}"
        source = _SOURCES.get(record.source, "unknown")
        has = (
            f"{record.available} available of {record.desired} desired, minimum "
            f"{record.minimum}, {record.unavailable} unavailable, {record.in_flight} in flight"
        )
        rows.add_row("  runs", _runs(record))
        also = follows_releases(record) and record.template
        on = f", launched from {shown(record.template or '')}" if also else ""
        rows.add_row("  wants", Text(f"{target} ({source}){on}"))
        rows.add_row("  has", Text(has))
    rows.add_row(f"  {_LABELS[record.standing]}", Text(shown(record.reason)))
    if told := withdrawal(record):
        rows.add_row("  release", Text(shown(told), "bold red" if record.withdrawn else ""))
    if record.remedy:
        rows.add_row("  to do", Text(shown(record.remedy), "bold"))
    return Group(title(record), rows)


def _runs(record: Record) -> Text:
    text, counted = Text(), versions(record)
    for version in newest_first(counted):
        style = "green" if on_target(version, record) else "yellow"
        text.append(", " if text else "").append(version, style)
        text.append(f" on {count(counted[version], 'instance')}")
    for why, number in without_version(record).items():
        text.append(", " if text else "").append(f"no version on {number}")
        text.append(f" ({shown(why)})", "red")
    return text or Text("nothing")
