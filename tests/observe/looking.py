"""What a run observes of the model of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from terminator.model import Group, NoRelease, Released
from terminator.observe.snapshot import UnobservedError, as_seen, list_groups, take_snapshot
from tests.fakes.cloud import Cloud
from tests.fakes.cloud_api import settings, world


def look_at(
    cloud: Cloud,
    *,
    bucket: bool = True,
    supposed: Mapping[str, Released | NoRelease] | None = None,
    **otherwise: Any,
) -> dict[str, Group | str]:
    """Return the groups as one run sees them, by name, or why they could not be observed."""
    config, here = settings(bucket=bucket), replace(world(cloud), **otherwise)
    groups, _, _ = list_groups(here.aws.autoscaling, config)
    snapshot = take_snapshot(here, config, groups, supposed or {})
    found: dict[str, Group | str] = {}
    for each in groups:
        try:
            found[each.name] = as_seen(each.described, each.policy, snapshot)
        except UnobservedError as error:
            found[each.name] = str(error)
    return found


def group_in(cloud: Cloud, name: str = "web", **otherwise: Any) -> Group:
    """Return a group as one run sees it."""
    group = look_at(cloud, **otherwise)[name]
    assert isinstance(group, Group), group
    return group
