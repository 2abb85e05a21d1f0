"""Putting events to the default event bus of EventBridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from terminator.errors import Failure, attempt
from terminator.report import events
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from terminator.report.events import Entry

# One call, tried twice, takes no longer.
CALL_SECONDS: Final = 20.0


def put(
    client: EventBridgeClient, entries: Sequence[Entry], remaining: Callable[[], float]
) -> list[str]:
    """Put the events, and return what went wrong; nothing is raised for it.

    `remaining` tells the seconds that are left: what they do not allow is not put.
    """
    problems: list[str] = []
    for batch in events.batches(entries):
        if remaining() < CALL_SECONDS:
            return [*problems, "time ran out"]
        # Each has the fields that are required, and none of the others.
        refused = attempt(partial(_put, client, cast("Any", batch)))
        problems += [refused.why] if isinstance(refused, Failure) else refused
    return problems


def _put(client: EventBridgeClient, batch: Sequence[PutEventsRequestEntryTypeDef]) -> list[str]:
    answer = client.put_events(Entries=batch)
    refused = (each for each in answer["Entries"] if "ErrorCode" in each)
    return [
        f"{plain(each['ErrorCode'])}: {plain(each.get('ErrorMessage', ''))}" for each in refused
    ]
