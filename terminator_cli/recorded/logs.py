"""Decision records from CloudWatch Logs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from terminator_cli.recorded.files import Found, gather, of_event

if TYPE_CHECKING:
    from types_boto3_logs.client import CloudWatchLogsClient
    from types_boto3_logs.type_defs import FilterLogEventsRequestPaginateTypeDef

# Names that stand in a filter pattern as they are; `*` there matches anything.
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._/:@+-]{1,255}")
_LONGEST_PATTERN: Final = 1024


def fetch(
    logs: CloudWatchLogsClient,
    log_group: str,
    begin: datetime,
    end: datetime | None = None,
    groups: Sequence[str] = (),
) -> Found:
    """Return the records that the log group got since `begin`; errors of AWS pass through.

    Names of groups narrow what is fetched where a filter pattern can hold them, so more may
    come than was asked for.
    """
    asked: FilterLogEventsRequestPaginateTypeDef = {
        "logGroupName": log_group,
        "startTime": _milliseconds(begin),
        "filterPattern": pattern(groups),
    }
    if end is not None:
        asked["endTime"] = _milliseconds(end)
    pages = logs.get_paginator("filter_log_events").paginate(**asked)
    events = (event for page in pages for event in page["events"])
    return gather((f"event {number}", *of_event(event)) for number, event in enumerate(events, 1))


def pattern(groups: Sequence[str] = ()) -> str:
    """Return the filter pattern that matches decision records, of these groups if any.

    Metrics may have a group too, and are told by their `_aws`:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    named = " || ".join(f"($.group = {json.dumps(name)})" for name in groups)
    narrow = f"{{ ({named}) && ($._aws NOT EXISTS) }}"
    plain = bool(groups) and all(map(_PLAIN.fullmatch, groups))
    if plain and len(narrow) <= _LONGEST_PATTERN:
        return narrow
    return '{ ($.group = "*") && ($._aws NOT EXISTS) }'


def _milliseconds(moment: datetime) -> int:
    return max(0, int(moment.timestamp() * 1000))
