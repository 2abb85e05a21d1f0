"""`terminator replace`: instances that a person names are replaced now, whatever the rules say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed
from typing import TYPE_CHECKING

from terminator.model import Request
from terminator.reconcile import EVERYTHING
from terminator.text import few, plain
from terminator_cli import output, reach
from terminator_cli.exits import DONE, FAILED, FailedError, UnusableError, confirm
from terminator_cli.options import Asked
from terminator_cli.plan import show

if TYPE_CHECKING:
    from terminator.report.record import Record


def replace(asked: Asked, instances: tuple[str, ...], *, yes: bool, dry_run: bool) -> None:
    """Replace the instances that you name, whatever the rules say."""
    config, aws = asked.config, reach.aws()
    members = {member.id for group in reach.groups(aws, config) for member in group.members}
    if lost := [plain(id_) for id_ in instances if id_ not in members]:
        raise UnusableError(f"in no group that opted in: {few(lost)}{reach.where(aws)}")
    request = Request(instances, reach.caller(aws).get("Arn", "somebody unknown"))
    records = reach.run(asked, changed(config, dry_run=True), EVERYTHING, request=request)
    named = set(instances)
    going = _named(records, "to_terminate")
    if going and not dry_run:
        if not asked.as_json:
            show(output.console(), records)
        if config.dry_run:
            output.note("dry_run is true in the settings: this terminates all the same")
        confirm(f"Terminate {few(going)}?", yes=yes)
        records = reach.run(asked, changed(config, dry_run=False), EVERYTHING, request=request)
        going = _named(records, "terminated")
    if asked.as_json:
        output.document([record.to_json() for record in records])
    else:
        show(output.console(), records)
    failed = any(record.has_failed for record in records)
    if going and not dry_run and not asked.as_json:
        output.say("terminator status --watch shows how the replacements come up")
    if not going and not asked.as_json and not failed:
        raise FailedError("none of those you named may go; the reason is above")
    raise SystemExit(FAILED if failed or named - set(going) else DONE)


def _named(records: Sequence[Record], outcome: str) -> list[str]:
    return [id_ for record in records for id_ in getattr(record, outcome)]
