"""Groups as the doctor sees them, and its complaints as tables compare them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from terminator.config.deployment import Config, from_settings
from terminator.observe.snapshot import OptedIn, opted_in
from terminator_cli.doctor.findings import Finding, Unseen

CONFIG: Final = from_settings({"groups": {"tagged": True}, "releases": {"bucket": "acme"}})
DENIED: Final = Unseen("AccessDenied: no")


def described(tags: dict[str, str] | None = None, of: Config = CONFIG, **more: Any) -> OptedIn:
    """Return a group of four that opted in to a deployment."""
    all_tags = {"terminator:enabled": "true", "terminator:app": "web", **(tags or {})}
    group: Any = {
        "AutoScalingGroupName": "web-1",
        "DesiredCapacity": 4,
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 300,
        "Instances": [],
        "Tags": [{"Key": key, "Value": value} for key, value in all_tags.items()],
        **more,
    }
    return opted_in(group, of)


def bad(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """Return check, level and what was seen of those that are not ok; each has a remedy."""
    found = [each for each in findings if each.level != "ok"]
    assert all(each.remedy for each in found)
    return [(each.check, each.level, each.seen) for each in found]
