"""The metrics of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from terminator.report.record import Record


def metrics(records: Sequence[Record]) -> dict[str, int]:
    """Return the metrics of these groups, summed."""
    decided = [record for record in records if record.decision is not None]
    found = {
        "Available": sum(record.available or 0 for record in decided),
        "Unavailable": sum(record.unavailable or 0 for record in decided),
        "InFlight": sum(record.in_flight or 0 for record in decided),
        "Outdated": sum(record.outdated or 0 for record in decided),
        "Stale": sum(record.stale or 0 for record in decided),
        "Held": sum(record.decision == "hold" for record in decided),
        "NeedsAttention": sum(record.calls_for_somebody for record in decided),
        **counts(records),
    }
    # Where a group could not be observed, 0 would say that its silent instances had answered.
    if len(decided) == len(records):
        found["Overdue"] = sum(record.overdue or 0 for record in decided)
    return found


def counts(records: Sequence[Record]) -> dict[str, int]:
    """Return the metrics that count what happened, which hold for a part of the groups too.

    What was terminated for another cause than the release is counted by cause too, where any was.
    """
    causes = sum((record.causes(record.terminated) for record in records), Counter[str]())
    by = {f"TerminatedBy{cause.title()}": number for cause, number in sorted(causes.items())}
    by.pop("TerminatedByRelease", None)
    return {
        "Terminated": sum(len(record.terminated) for record in records),
        **by,
        "Failed": sum(record.has_failed for record in records),
    }
