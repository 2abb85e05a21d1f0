"""`terminator pause` and `terminator resume`: the tag that holds a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from terminator.config import deployment as config
from terminator.config.tags import ENABLED_TAG, TAG_PREFIX
from terminator.observe import autoscaling as describe
from terminator.text import plain, quoted
from terminator_cli import options, output, reach
from terminator_cli.exits import UnusableError
from terminator_cli.options import Asked
from terminator_cli.standing import block
from terminator_cli.supposed import plan_tagged

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient

    from terminator.config.deployment import Config

PAUSE_TAG: Final = f"{TAG_PREFIX}pause"
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Tag.html
_LONGEST_REASON: Final = 256

_group: Final = click.argument("group", shell_complete=options.names)


@dataclass(frozen=True)
class _Change:
    """What is to become of the tag: its new text, or None to remove it.

    `tags` are those of the group before; with `dry_run` they stay.
    """

    group: str
    tags: Mapping[str, str]
    after: str | None
    dry_run: bool

    @property
    def before(self) -> str | None:
        return self.tags.get(PAUSE_TAG)

    @property
    def needed(self) -> bool:
        return self.before != self.after

    @property
    def supposed(self) -> bool:
        return self.needed and self.dry_run

    def __str__(self) -> str:
        group, what = plain(self.group), "resumed" if self.after is None else "paused"
        why = f": {quoted(self.after, _LONGEST_REASON)}" if self.after else ""
        if self.supposed:
            return f"dry run: {group} would be {what}{why}"
        return f"{group} is {'' if self.needed else 'already '}{what}{why}"


@click.command()
@_group
@click.option("--reason", default="", metavar="TEXT", help="Why; logs and plans say it.")
@options.dry_run
@options.observing
def pause(asked: Asked, group: str, reason: str, *, dry_run: bool) -> None:
    """Hold a group: set its tag terminator:pause.

    Shows the decision that follows; with --dry-run and --local: the one that would follow. The
    deployed function plans with the tags as they are, so a --dry-run that asks it shows the one
    as it is now.

    \b
    Example: terminator pause live_asg_web --reason "release freeze until Monday"
    """  # noqa: D301 - \b keeps click from filling the lines
    if len(reason) > _LONGEST_REASON:
        raise UnusableError(f"--reason has {len(reason)} characters; a tag holds 256")
    _run(asked, group, reason, dry_run=dry_run)


@click.command()
@_group
@options.dry_run
@options.observing
def resume(asked: Asked, group: str, *, dry_run: bool) -> None:
    """Hold a group no longer: remove its tag terminator:pause.

    Shows the decision that follows; with --dry-run and --local: the one that would follow. The
    deployed function plans with the tags as they are, so a --dry-run that asks it shows the one
    as it is now.

    Example: terminator resume live_asg_web
    """
    _run(asked, group, None, dry_run=dry_run)


def _run(asked: Asked, group: str, after: str | None, *, dry_run: bool) -> None:
    settings = config.from_file(asked.config_file)
    autoscaling = reach.aws().autoscaling
    change = _Change(group, opted_in(autoscaling, settings, group), after, dry_run)
    if change.needed and not dry_run:
        _apply(autoscaling, change)
    records, trouble = _planned(asked, replace(settings, dry_run=True), change)
    record, follows = (records[0] if records else None), asked.local or not change.supposed
    if asked.as_json:
        output.document(_document(change, record, follows=follows))
    else:
        _show(change, record, follows=follows)
    if trouble:
        output.note(f"the decision that follows is not known: {trouble}")


def _planned(
    asked: Asked, settings: Config, change: _Change
) -> tuple[list[reach.Record] | None, str | None]:
    if not (change.supposed and asked.local):
        return reach.attempt_run(asked, settings, [change.group])
    tags = {key: text for key, text in change.tags.items() if key != PAUSE_TAG}
    if change.after is not None:
        tags[PAUSE_TAG] = change.after
    return reach.attempt(partial(plan_tagged, asked, settings, change.group, tags))


def _show(change: _Change, record: reach.Record | None, *, follows: bool) -> None:
    output.say(str(change))
    if record is None:
        return
    if change.supposed:
        output.say(f"the decision {'that would follow' if follows else 'as it is now'}:")
    output.console().print(block(record))


def opted_in(autoscaling: AutoScalingClient, settings: Config, group: str) -> Mapping[str, str]:
    """Return the tags of a group that opted in; raise UnusableError for another."""
    described = describe.describe_groups(autoscaling, [group], tagged=False)
    if not described:
        raise UnusableError(f"no Auto Scaling group is named {quoted(group, _LONGEST_REASON)}")
    tags = describe.tags(described[0])
    if group in settings.names or (settings.tagged and tags.get(ENABLED_TAG) == "true"):
        return tags
    raise UnusableError(
        f"{plain(group)} has not opted in: name it in groups.names, or set groups.tagged to "
        f"true and give it the tag {ENABLED_TAG} = true"
    )


def _apply(autoscaling: AutoScalingClient, change: _Change) -> None:
    of = {"ResourceId": change.group, "ResourceType": "auto-scaling-group", "Key": PAUSE_TAG}
    if change.after is None:
        autoscaling.delete_tags(Tags=[of])  # type: ignore[list-item]
    else:
        row = {**of, "Value": change.after, "PropagateAtLaunch": False}
        autoscaling.create_or_update_tags(Tags=[row])  # type: ignore[list-item]


def _document(
    change: _Change, record: reach.Record | None, *, follows: bool
) -> Mapping[str, object]:
    return {
        "group": change.group,
        "paused": change.after is not None,
        "text": change.after,
        "before": change.before,
        "changed": change.needed and not change.dry_run,
        "dry_run": change.dry_run,
        "record": record if follows else None,
        "now": None if follows else record,
    }
