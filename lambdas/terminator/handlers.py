"""The Lambda entry points `reconcile`, `release` and `withdraw`; the probe has its own module.

Each imports what it needs when it first runs, so that none pays for another's imports. The
environment holds TERMINATOR_CONFIG (the settings, as JSON) and TERMINATOR_ACCOUNT, the account
that they are deployed in; for reconcile also TERMINATOR_PROBES (VPC ids to probe functions, as
JSON) and, where releases may be taken back, TERMINATOR_WITHDRAW (the function that does); for
release TERMINATOR_RECONCILE (its function).
"""

# ruff: noqa: PLC0415 - imports stand in the functions on purpose, see above

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from terminator.clients import Aws
    from terminator.config.deployment import Config
    from terminator.model import Request, StartedBy
    from terminator.observe.snapshot import Scope
    from terminator.report.events import Entry
    from terminator.report.log_lines import Line
    from terminator.report.record import Record
    from terminator.upload import Events

NAMESPACE: Final = "Terminator"
SERVICE: Final = "terminator"

# What a payload may name: nothing that is longer is the name of a group.
_MOST_NAMES: Final = 1000
_LONGEST_NAME: Final = 255

# Every line comes from one place, so where in the code says nothing.
# ASCII, so that no field of a record brings a control character past whoever reads the log.
_SERIALIZE: Final = partial(json.dumps, default=str)
logger = Logger(service=SERVICE, location=None, use_rfc3339=True, json_serializer=_SERIALIZE)


# What reconcile returns: its records as JSON, or how many groups it served.
Answer = list[dict[str, Any]] | dict[str, int]
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LONGEST_ANSWER: Final = 5_500_000
MOST_NAMED: Final = 100


class RunFailedError(Exception):
    """Something failed in a run; all groups were served and reported before."""


class EventError(ValueError):
    """The event is none of reconcile's; the message says what is wrong with it."""


@logger.inject_lambda_context
def reconcile(event: Mapping[str, Any], context: LambdaContext) -> Answer:
    """Serve the groups; return how many, or the record of each where the event asks for `records`.

    The event may narrow the run to an `app` or to `groups` (names), and say `dry_run`; on a
    schedule it says none of these. One that is older than a period, by the `time` it carries, is
    dropped as done. With `replace` (ids of instances) and `requested_by` it is what a person asks
    for, in place of what the rules say. Raise RunFailedError where anything failed: its message
    names the groups or, where the event asks for `records`, is their records as JSON; where the
    groups could not be listed, it says why. Raise UnknownGroupsError where one that the event names
    has not opted in, UnknownInstancesError where an instance is in none that has.
    """
    if late := _lateness(event, _config().longest_lateness):
        logger.info("nothing done: the event is %s old, and runs have come since", late)
        return {"groups": 0}
    return _serve(event, context)


def _serve(event: Mapping[str, Any], context: LambdaContext) -> Answer:
    """Run reconcile once, and tell of it in the log, as metrics and as events."""
    from dataclasses import replace

    from terminator.errors import UnknownGroupsError, UnknownInstancesError, explain
    from terminator.invoke import probe_through, withdraw_through
    from terminator.observe.snapshot import World
    from terminator.reconcile import ServedInPartError
    from terminator.reconcile import reconcile as run
    from terminator.report import events

    scope, request = _scope(event), _request(event)
    config = replace(_config(), dry_run=event.get("dry_run", _config().dry_run) is not False)
    # Who asks for a plan must neither quiet an alarm nor ring one.
    is_asked_for_a_plan = "dry_run" in event and config.dry_run

    def remaining() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def announce(entries: Sequence[events.Entry]) -> None:
        if not is_asked_for_a_plan:
            _announce(entries, remaining)

    probes = json.loads(os.environ["TERMINATOR_PROBES"])
    taker = os.environ.get("TERMINATOR_WITHDRAW")
    world = World(
        aws=_aws(),
        probe=probe_through(_aws().functions_within, probes),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
        remaining=remaining,
        say=_log,
        withdraw=withdraw_through(_aws().functions_within, taker) if taker else None,
    )
    failure: str | None = None
    try:
        records = run(world, config, scope, request=request, started_by=_started_by(event))
    except ServedInPartError as error:
        records, failure = error.records, str(error)
    except (UnknownGroupsError, UnknownInstancesError) as error:
        # Names that anybody may make up are no reason for an event, nor for metrics.
        logger.error(str(error))  # noqa: TRY400 - the line says all
        raise
    except Exception as error:
        failure = f"the groups could not be served: {explain(error)}"
        logger.error(failure)  # noqa: TRY400 - the line says all, and the runtime adds the rest
        announce([events.of_failed_run(explain(error), dry_run=config.dry_run)])
        raise RunFailedError(failure) from error
    if not is_asked_for_a_plan:
        is_whole = failure is None and request is None
        _measure(records, config, scope, is_whole=is_whole)
    entries = events.of_records(records)
    if failure:
        logger.error(failure)
        entries.append(events.of_failed_run(failure, dry_run=config.dry_run))
    announce(entries)
    return _answer(records, failure, as_records=event.get("records") is True)


def _answer(records: Sequence[Record], failure: str | None, *, as_records: bool) -> Answer:
    """Return what the run comes to, as JSON; raise RunFailedError where anything failed.

    Nobody reads what a scheduled run answers, and the records of thousands of instances are more
    than a function may return.
    """
    from terminator.text import plain

    failed = [plain(record.group) for record in records if record.has_failed]
    if failed and as_records:
        raise RunFailedError(json.dumps(_that_fit(records)))
    if failed or failure:
        named = ", ".join(failed[:MOST_NAMED])
        more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
        whys = [failure or "", f"failed in {named}{more}" if failed else ""]
        raise RunFailedError("; ".join(filter(None, whys)))
    if as_records:
        return _that_fit(records)
    terminated = sum(len(record.terminated) for record in records)
    return {"groups": len(records), "terminated": terminated}


def _that_fit(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return records as JSON that a function may return, with instances left out if need be.

    Those that are not available are left out last.
    """
    from dataclasses import replace

    answer = [record.to_json() for record in records]
    for most in (100, 10, 0):
        # An error's message is JSON within JSON, where each quote takes two bytes.
        if len(json.dumps(json.dumps(answer))) <= LONGEST_ANSWER:
            break
        logger.warning("too many instances to answer with: at most %d of a group are listed", most)
        of_each = [sorted(each.instances, key=lambda i: i.available)[:most] for each in records]
        answer = [
            replace(record, instances=tuple(some)).to_json()
            for record, some in zip(records, of_each, strict=True)
        ]
    return answer


@logger.inject_lambda_context
def release(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Check what was uploaded or deleted, and ask reconcile to serve the app's groups.

    A refused upload is logged as a warning and changes nothing. It is told as an event, and so is
    one that does not become the target. Nobody is asked to serve an app that no group runs, nor
    one of which there are too many events: the schedule serves it.
    """
    from dataclasses import replace

    from terminator import upload
    from terminator.invoke import ask_reconcile
    from terminator.report import events

    verdicts = upload.verdicts(event, _aws().s3, _config().bucket)
    unasked: dict[str, str | None] = {}
    served = cache(lambda: upload.served_apps(_aws().autoscaling, _config()))
    for verdict in verdicts:
        app, now, is_first = verdict.app, datetime.now(UTC), verdict.app not in unasked
        if app is not None and is_first:
            unasked[app] = _events().too_many(app, now) or upload.unserved(app, served)
        why = unasked.get(app or "")
        log = logger.warning if verdict.refused or verdict.passed_over else logger.info
        log(str(replace(verdict, unasked=why)))
        if app is not None and is_first and why is None:
            ask_reconcile(_aws().functions, os.environ["TERMINATOR_RECONCILE"], app, now)
    told = [events.of_upload(verdict) for verdict in verdicts if verdict.is_told]
    _announce(told, lambda: context.get_remaining_time_in_millis() / 1000)
    missed = sum(verdict.is_missed for verdict in verdicts)
    if missed:
        _emit({"PassedOver": missed}, service=_config().name)


@logger.inject_lambda_context
def withdraw(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, str | None]:
    """Put a delete marker on the zip that was judged, and tag the version below it.

    The event says `app`, `key`, `etag` and `version_id`. Return as `refused` why nothing was done,
    None where it was; raise where it is neither.
    """
    from terminator import marker
    from terminator.text import plain

    bucket = _config().bucket
    order = marker.read(event, bucket)
    name = bucket.name if bucket else ""
    refused = marker.put(_aws(), name, order, datetime.now(UTC))
    said = f"refused: {refused}" if refused else f"taken back, and tagged {order.version_id}"
    logger.warning("s3://%s/%s => %s", name, plain(order.key), plain(said))
    return {"refused": refused}


def _announce(entries: Sequence[Entry], remaining: Callable[[], float]) -> None:
    """Put events; what could not be put is logged and counted."""
    from terminator.report import events
    from terminator.text import count

    problems = Counter(events.put(_aws().events, entries, remaining) if entries else ())
    for problem, times in problems.items():
        logger.error("%s could not be put: %s", count(times, "event"), problem)
    if problems:
        _emit({"EventsNotPut": problems.total()}, service=_config().name)


@cache
def _aws() -> Aws:
    import boto3

    from terminator.clients import Aws

    bucket = _config().bucket
    account = (bucket.account if bucket else None) or os.environ["TERMINATOR_ACCOUNT"]
    return Aws(boto3.Session(), bucket_owner=lambda: account)


@cache
def _events() -> Events:
    from terminator.upload import Events

    return Events()


@cache
def _config() -> Config:
    from terminator.config.deployment import from_settings

    return from_settings(json.loads(os.environ["TERMINATOR_CONFIG"]))


def _lateness(event: Mapping[str, Any], longest: timedelta) -> str | None:
    """Say how old an event is whose time another run has come after; None of any other.

    After a stop, or behind a long run, events wait in Lambda's queue for hours: nothing should be
    terminated because of them then. One that carries no time is never late.
    """
    from terminator.text import left

    time = event.get("time")
    try:
        begun = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError as error:
        raise EventError("time must be a time such as 2026-11-18T12:00:00Z") from error
    if begun is None:
        return None
    begun = begun if begun.tzinfo else begun.replace(tzinfo=UTC)
    age = datetime.now(UTC) - begun
    return left(age) if age > longest else None


def _scope(event: Mapping[str, Any]) -> Scope:
    from terminator.observe.snapshot import Scope

    app, groups = event.get("app"), event.get("groups")
    if not (app is None or isinstance(app, str)):
        raise EventError("app must be a string")
    if groups is None:
        return Scope(app)
    if not isinstance(groups, list) or not all(isinstance(name, str) for name in groups):
        raise EventError("groups must be a list of names")
    if len(groups) > _MOST_NAMES or any(len(name) > _LONGEST_NAME for name in groups):
        raise EventError(
            f"groups must be at most {_MOST_NAMES} names of {_LONGEST_NAME} characters"
        )
    return Scope(app, frozenset(groups))


def _request(event: Mapping[str, Any]) -> Request | None:
    from terminator.model import Request

    ids, by = event.get("replace"), event.get("requested_by")
    if ids is None:
        return None
    if not isinstance(ids, list) or not ids or not all(isinstance(id_, str) for id_ in ids):
        raise EventError("replace must be a list of instance ids")
    if not isinstance(by, str) or not by:
        raise EventError("requested_by must say who asks to replace instances")
    if "app" in event or "groups" in event:
        raise EventError("replace names instances; app and groups do not go with it")
    return Request(tuple(ids), by)


def _started_by(event: Mapping[str, Any]) -> StartedBy:
    """Say what began a run: only commands want records, and release asks for an app's groups."""
    if event.get("records") is True:
        return "command"
    return "event" if "app" in event else "schedule"


def _log(line: Line) -> None:
    log = {"info": logger.info, "warning": logger.warning, "error": logger.error}[line.level]
    log(line.text, extra=line.fields)


def _measure(records: Sequence[Record], config: Config, scope: Scope, *, is_whole: bool) -> None:
    """Emit metrics; a run for some of the groups says nothing of how all of them are."""
    from terminator.observe.snapshot import Scope
    from terminator.report.metrics import counts, metrics
    from terminator.text import plain

    is_whole = is_whole and scope == Scope()
    _emit(metrics(records) if is_whole else counts(records), service=config.name)
    # Hardly ever: what is never emitted costs nothing.
    if withdrawn := sum(bool(each.withdrawn) and not each.dry_run for each in records):
        _emit({"Withdrawn": withdrawn}, service=config.name)
    for record in records if config.group_metrics else ():
        of_group = metrics if record.decision is not None else counts
        _emit(of_group([record]), service=config.name, group=plain(record.group))


def _emit(totals: Mapping[str, int], service: str, **dimensions: str) -> None:
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    for name, value in dimensions.items():
        metrics.add_dimension(name, value)
    for name, total in totals.items():
        metrics.add_metric(name, MetricUnit.Count, total)
    metrics.flush_metrics()
