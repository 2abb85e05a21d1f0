"""Who runs what: versions counted from decision records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from terminator.version import Version, same_release
from terminator_cli.reach import Record


def versions(record: Record) -> Counter[str]:
    """Count the versions that a group's instances answered with."""
    return Counter(each["version"] for each in record["instances"] if each["version"])


def is_same(version: str | None, target: str | None) -> bool:
    """Say whether both are known, and of equal precedence."""
    if version is None or target is None:
        return False
    return Version.parse(version) == Version.parse(target)


def newest_first(counted: Iterable[str]) -> list[str]:
    """Return versions, the highest first."""
    return sorted(counted, key=lambda text: (Version.parse(text), text), reverse=True)


def on(version: Version, record: Record) -> int:
    """Count the group's instances that run the release of this version."""
    return sum(
        number
        for text, number in versions(record).items()
        if same_release(Version.parse(text), version)
    )


def without_version(record: Record) -> Counter[str]:
    """Count why the others have none: the reason they gave, or the state they are in."""
    return Counter(
        each["reason"] or _state(each) for each in record["instances"] if not each["version"]
    )


def _state(instance: Record) -> str:
    return ", ".join(filter(None, [instance["lifecycle"], instance["health"]]))
