"""Decision records for tests: single ones in few words, and a group that follows releases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from terminator.report.record import Record

BEGIN: Final = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
PERIOD: Final = timedelta(minutes=5)
WEB: Final = "live_asg_web"
Fields = dict[str, Any]


def at(minutes: float) -> datetime:
    """Return the time so many minutes after BEGIN."""
    return BEGIN + timedelta(minutes=minutes)


def instance(id_: str, version: str | None = "1.0", *, up: float = 600, **more: Any) -> Fields:
    """Return an instance created so many minutes before BEGIN; silent without a version."""
    return {
        "id": id_,
        "zone": "eu-west-1a",
        "lifecycle": "InService",
        "health": "Healthy",
        "created": at(-up).isoformat(),
        "in_service_since": at(-up).isoformat(),
        "version": version,
        "reason": "timeout" if version is None else None,
        "available": more.get("lifecycle", "InService") == "InService" and version is not None,
        "template": None,
        "cause": None,
        **more,
    }


def fields(minutes: float, *instances: Fields, group: str = WEB, **more: Any) -> Fields:
    """Return a record of that time about a group of these instances; by default it holds.

    All that `history --json` prints of a record is there, in its order.
    """
    available = [each for each in instances if each["available"]]
    versions = sorted({each["version"] for each in available})
    return {
        "timestamp": at(minutes).isoformat(),
        "group": group,
        "app": "web",
        "desired": len(instances),
        "minimum": 1,
        "target": versions[-1] if versions else None,
        "target_source": "highest",
        "pinned": None,
        "became": None,
        "template": None,
        "lowest": versions[0] if versions else None,
        "highest": versions[-1] if versions else None,
        "available": len(available),
        "unavailable": len(instances) - len(available),
        "in_flight": 0,
        "outdated": 0,
        "stale": 0,
        "overdue": 0,
        "due": 0,
        "since": at(-60).isoformat(),
        "decision": "hold",
        "reason": "baking",
        "hold": "baking" if more.get("decision", "hold") == "hold" else None,
        "needs_attention": False,
        "remedy": None,
        "canary": None,
        "to_terminate": [],
        "terminated": [],
        "deferred": {},
        "failed": {},
        "dry_run": False,
        "requested_by": None,
        "started_by": None,
        "to_refresh": None,
        "refresh": None,
        "withdrawn": None,
        "withdrawal": None,
        "instances": list(instances),
        **more,
    }


def record(minutes: float, *instances: Fields, **more: Any) -> Record:
    """Return such a record as it is read."""
    return Record.from_json(fields(minutes, *instances, **more))


def lines(records: Iterable[Fields]) -> str:
    """Return records as Powertools writes them: with fields of its own, without what is null."""
    return "".join(f"{json.dumps(_logged(each))}\n" for each in records)


def _logged(of: Fields) -> Fields:
    own = {"level": "INFO", "message": f"{of['group']} => complete", "service": "terminator"}
    return {**own, **{name: value for name, value in of.items() if value is not None}}


def following(
    group: str, size: int, releases: Sequence[int], runs: int, max_unavailable: int = 2
) -> list[Fields]:
    """Return the records of a group for which release n is out from run releases[n] on.

    A replacement answers in the next run; a canary goes first, then so many at once.
    """
    members = [instance(f"i-{group[-1]}{n:08x}", "1.0.0", up=600) for n in range(size)]
    made: list[Fields] = []
    for run in range(runs):
        target = f"1.0.{sum(run >= at_ for at_ in releases)}"
        outdated = [each for each in members if each["version"] not in (target, None)]
        proven = any(each["version"] == target for each in members)
        goes = [each["id"] for each in outdated[: max_unavailable if proven else 1]]
        said = (
            {"decision": "replace", "reason": f"{len(goes)} of {len(outdated)} fit the budget"}
            if goes
            else {"decision": "converged", "reason": f"{size} instances on {target}"}
        )
        fixed = {"target": target, "outdated": len(outdated), "minimum": size // 2}
        acted = {"to_terminate": goes, "terminated": goes}
        made.append(fields(5 * run, *members, group=group, **fixed, **said, **acted))
        fresh = [
            instance(f"i-{group[-1]}{run:04x}{n:04x}", target, up=-5 * run - 1)
            for n in range(len(goes))
        ]
        members = [each for each in members if each["id"] not in goes] + fresh
    return made
