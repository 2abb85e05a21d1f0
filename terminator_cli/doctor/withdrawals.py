"""Whether releases that are to be taken back by themselves could be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from terminator.config.deployment import Bucket, Withdraw
from terminator.model import ENABLED
from terminator.observe.preflight import alarm_states
from terminator.text import few
from terminator_cli.doctor.findings import Finding, Unseen, about, look

if TYPE_CHECKING:
    from terminator.clients import Aws
    from terminator.config.tags import Policy


def examine(
    aws: Aws,
    bucket: Bucket,
    versioning: Mapping[str, object] | Unseen,
    policies: Iterable[Policy],
) -> Iterator[Finding]:
    """Check each app whose releases are to be taken back, and the alarms that it names."""
    known = list(policies)
    for app, how in sorted(bucket.withdraws.items()):
        own = [policy for policy in known if policy.app == app and not policy.problems]
        states = look(partial(alarm_states, aws.cloudwatch, how.alarms)) if how.alarms else {}
        yield from check(app, how, versioning, states, own)


def check(
    app: str,
    how: Withdraw,
    versioning: Mapping[str, object] | Unseen,
    states: Mapping[str, object] | Unseen,
    policies: Iterable[Policy],
) -> Iterator[Finding]:
    """Check an app.

    `states` maps those of its alarms that exist to their states; `policies` are its groups'.
    """
    of, found = about("app", app), list(_problems(app, how, versioning, states, list(policies)))
    for seen, remedy in found:
        yield of.problem("withdraw", seen, remedy)
    if isinstance(states, Unseen):
        yield of.unseen("withdraw", states, "cloudwatch:DescribeAlarms")
    elif not found:
        grounds = [*(["a silent canary"] if how.silent else []), *how.alarms]
        yield of.ok("withdraw", f"its newest release is taken back for {few(grounds, ' or ')}")


def _problems(
    app: str,
    how: Withdraw,
    versioning: Mapping[str, object] | Unseen,
    states: Mapping[str, object] | Unseen,
    own: Sequence[Policy],
) -> Iterator[tuple[str, str]]:
    """Yield what keeps releases of an app from being taken back, and what would mend it."""
    if not isinstance(versioning, Unseen) and versioning.get("Status") != ENABLED:
        seen = "its releases cannot be taken back: the bucket's versioning is not enabled"
        yield seen, f"enable it, or take releases.apps.{app}.withdraw away"
    if not own:
        yield f"no group of {app} has opted in, so nothing of it is taken back", "see releases.apps"
    if any(policy.follows_template for policy in own):
        seen = "a group of it follows its launch template, so nothing is taken back"
        yield seen, "set terminator:follow to release, or do without withdraw"
    lost = [] if isinstance(states, Unseen) else [n for n in how.alarms if n not in states]
    if lost:
        yield f"{few(lost)} does not exist, so it takes nothing back", "name an alarm that exists"
