"""`terminator taint` and `terminator untaint`: the tag that makes an instance due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from terminator.config.tags import REPLACE_AFTER_TAG
from terminator.text import few, plain
from terminator_cli import output, reach
from terminator_cli.exits import UnusableError
from terminator_cli.options import Asked


def taint(
    asked: Asked, instances: tuple[str, ...], after: datetime | None, *, dry_run: bool
) -> None:
    """Have instances replaced: tag them terminator:replace-after."""
    at = after or datetime.now(UTC)
    _run(asked, instances, at.isoformat(timespec="seconds"), dry_run=dry_run)


def untaint(asked: Asked, instances: tuple[str, ...], *, dry_run: bool) -> None:
    """Let instances stay: untag them terminator:replace-after."""
    _run(asked, instances, None, dry_run=dry_run)


def _run(asked: Asked, instances: Sequence[str], text: str | None, *, dry_run: bool) -> None:
    """Give the tag this text, or remove it where that is None."""
    config = asked.config
    aws, ids = reach.aws(), list(dict.fromkeys(instances))
    owners = {
        member.id: group.name for group in reach.groups(aws, config) for member in group.members
    }
    unknown = [plain(id_) for id_ in ids if id_ not in owners]
    if unknown:
        told = f"in no group that opted in: {few(unknown)}"
        raise UnusableError(told + reach.where(aws))
    if not dry_run and text is None:
        aws.ec2.delete_tags(Resources=ids, Tags=[{"Key": REPLACE_AFTER_TAG}])
    elif not dry_run and text is not None:
        aws.ec2.create_tags(Resources=ids, Tags=[{"Key": REPLACE_AFTER_TAG, "Value": text}])
    if asked.as_json:
        rows = [{"instance": id_, "group": owners[id_], "replace_after": text} for id_ in ids]
        output.document({"instances": rows, "dry_run": dry_run})
        return
    verb = "would be" if dry_run else "is"
    for id_ in ids:
        what = "not tainted any more" if text is None else f"due from {text} on"
        output.say(f"{id_} of {owners[id_]} {verb} {what}")
