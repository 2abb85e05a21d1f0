"""`terminator pause` and `terminator resume`: the tag that holds a group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from terminator.config.tags import ENABLED_TAG, TAG_PREFIX
from terminator.observe.autoscaling import describe_groups, tags_of
from terminator.observe.snapshot import Scope
from terminator.reconcile import Supposing
from terminator.text import plain, quoted
from terminator_cli import output, reach
from terminator_cli.exits import UnusableError
from terminator_cli.options import Asked
from terminator_cli.records import block

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_autoscaling.type_defs import TagTypeDef

    from terminator.config.deployment import Config

PAUSE_TAG: Final = f"{TAG_PREFIX}pause"
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Tag.html
_LONGEST_REASON: Final = 256


def pause(asked: Asked, group: str, reason: str, *, dry_run: bool) -> None:
    """Hold a group: set its tag terminator:pause."""
    if len(reason) > _LONGEST_REASON:
        raise UnusableError(f"--reason has {len(reason)} characters; a tag holds 256")
    _run(asked, group, reason, dry_run=dry_run)


def resume(asked: Asked, group: str, *, dry_run: bool) -> None:
    """Hold a group no longer: remove its tag terminator:pause."""
    _run(asked, group, None, dry_run=dry_run)


def _run(asked: Asked, group: str, after: str | None, *, dry_run: bool) -> None:
    """Give the tag this text, or remove it where `after` is None, and show what follows."""
    config, autoscaling = replace(asked.config, dry_run=True), reach.aws().autoscaling
    tags = _opted_in(autoscaling, config, group)
    before = tags.pop(PAUSE_TAG, None)
    changes = before != after
    if changes and not dry_run:
        _tag(autoscaling, group, after)
    supposing = None
    if changes and dry_run:
        supposing = Supposing(tags={group: tags if after is None else {**tags, PAUSE_TAG: after}})
    scope = Scope(groups=frozenset({group}))
    records, trouble = reach.attempt_run(asked, config, scope, supposing)
    record = records[0] if records else None
    # What is deployed supposes nothing: it plans with the tag as it is.
    follows = asked.local or supposing is None
    if asked.as_json:
        written = record.to_json() if record else None
        document = {
            "group": group,
            "paused": after is not None,
            "text": after,
            "before": before,
            "changed": changes and not dry_run,
            "dry_run": dry_run,
            "record": written if follows else None,
            "now": None if follows else written,
        }
        output.document(document)
    else:
        what = "resumed" if after is None else "paused"
        why = f": {quoted(after, _LONGEST_REASON)}" if after else ""
        if supposing:
            output.say(f"dry run: {plain(group)} would be {what}{why}")
        elif after is None and not changes:
            output.say(f"{plain(group)} was not paused")
        else:
            output.say(f"{plain(group)} {'is' if changes else 'is already'} {what}{why}")
        if record and supposing:
            output.say(f"the decision {'that would follow' if follows else 'as it is now'}:")
        if record:
            output.console().print(block(record))
    if trouble:
        output.note(f"the decision that follows is not known: {trouble}")


def _opted_in(autoscaling: AutoScalingClient, config: Config, group: str) -> dict[str, str]:
    """Return the tags of a group that opted in; raise UnusableError for another."""
    described = describe_groups(autoscaling, [group], tagged=False)
    if not described:
        named = quoted(group, _LONGEST_REASON)
        raise UnusableError(f"no Auto Scaling group is named {named}{reach.where()}")
    tags = tags_of(described[0])
    if group in config.names or (config.tagged and tags.get(ENABLED_TAG) == "true"):
        return tags
    raise UnusableError(
        f"{plain(group)} has not opted in: name it in groups.names, or set groups.tagged to "
        f"true and give it the tag {ENABLED_TAG} = true"
    )


def _tag(autoscaling: AutoScalingClient, group: str, text: str | None) -> None:
    tag: TagTypeDef = {"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": PAUSE_TAG}
    if text is None:
        autoscaling.delete_tags(Tags=[tag])
    else:
        tag |= {"Value": text, "PropagateAtLaunch": False}
        autoscaling.create_or_update_tags(Tags=[tag])
