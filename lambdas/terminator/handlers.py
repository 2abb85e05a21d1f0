"""The Lambda entry points `reconcile` and `release`; the probe has a module of its own.

Each imports what it needs when it first runs, so that none pays for another's imports. The
environment holds TERMINATOR_CONFIG (the settings, as JSON), for reconcile TERMINATOR_PROBES
(VPC ids to probe functions, as JSON) and for release TERMINATOR_RECONCILE (its function).
"""

# ruff: noqa: PLC0415 - imports stand in the functions on purpose, see above

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from terminator.clients import Aws
    from terminator.config.deployment import Config
    from terminator.observe.survey import Scope, World
    from terminator.report.events import Entry
    from terminator.report.record import Line, Outcome

NAMESPACE: Final = "Terminator"
SERVICE: Final = "terminator"

# Every line comes from one place, so where in the code says nothing.
# ASCII, so that no field of a record brings a control character past whoever reads the log.
_SERIALIZE: Final = partial(json.dumps, default=str)
logger = Logger(service=SERVICE, location=None, use_rfc3339=True, json_serializer=_SERIALIZE)


class RunFailedError(Exception):
    """Something failed in a run; all groups were served and reported before."""


class EventError(ValueError):
    """The event is none of reconcile's; the message says what is wrong with it."""


@logger.inject_lambda_context
def reconcile(event: Mapping[str, Any], context: LambdaContext) -> list[dict[str, object]]:
    """Serve the groups, and return a decision record for each.

    The event may narrow the run to an `app` or to `groups` (names), and say `dry_run`; on a
    schedule it says none of these. Raise RunFailedError where anything failed: its message
    names the groups or, where the event asks for `records`, is their records as JSON; where
    the groups could not be listed, it says why.
    """
    from dataclasses import replace

    from terminator.errors import explain
    from terminator.reconcile import reconcile as run
    from terminator.report import events
    from terminator.report import record as report
    from terminator.text import plain

    config, scope = _config(), _scope(event)
    config = replace(config, dry_run=_dry_run(event, config))
    world = _world(context)
    try:
        outcomes = run(world, config, scope)
    except Exception as error:
        why = f"the groups could not be served: {explain(error)}"
        logger.error(why)  # noqa: TRY400 - the line says all, and the runtime adds the rest
        _announce(event, [events.of_failed_run(explain(error), dry_run=config.dry_run)], world)
        raise RunFailedError(why) from error
    if event.get("dry_run") is not True:  # who asks for a plan must not quiet an alarm
        _measure(outcomes, config, scope)
    records = [report.record(outcome) for outcome in outcomes]
    _announce(event, events.of_records(records), world)
    failed = [plain(outcome.name) for outcome in outcomes if outcome.has_failed]
    if failed and event.get("records") is True:
        raise RunFailedError(json.dumps(records))
    if failed:
        raise RunFailedError(f"failed in {', '.join(failed)}")
    return records


@logger.inject_lambda_context
def release(event: Mapping[str, Any], _context: LambdaContext) -> None:
    """Check what was uploaded, and ask reconcile to serve the app's groups.

    A refused upload is logged as a warning and changes nothing.
    """
    from terminator import upload
    from terminator.invoke import ask_reconcile

    for verdict in upload.verdicts(event, _aws().s3, _config().bucket):
        if verdict.app is None:
            logger.warning(str(verdict))
            continue
        logger.info(str(verdict))
        ask_reconcile(_aws().functions, os.environ["TERMINATOR_RECONCILE"], verdict.app)


def _world(context: LambdaContext) -> World:
    from terminator.invoke import probe_through
    from terminator.observe.survey import World

    return World(
        aws=_aws(),
        probe=probe_through(_aws().functions_within, json.loads(os.environ["TERMINATOR_PROBES"])),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
        say=_log,
    )


@cache
def _aws() -> Aws:
    import boto3

    from terminator.clients import Aws

    return Aws(boto3.Session())


@cache
def _config() -> Config:
    from terminator.config.deployment import from_settings

    return from_settings(json.loads(os.environ["TERMINATOR_CONFIG"]))


def _scope(event: Mapping[str, Any]) -> Scope:
    from terminator.observe.survey import Scope

    app, groups = event.get("app"), event.get("groups")
    if not (app is None or isinstance(app, str)):
        raise EventError("app must be a string")
    if not (
        groups is None or (isinstance(groups, list) and all(isinstance(n, str) for n in groups))
    ):
        raise EventError("groups must be a list of names")
    return Scope(app, None if groups is None else frozenset(groups))


def _dry_run(event: Mapping[str, Any], config: Config) -> bool:
    return event.get("dry_run", config.dry_run) is not False


def _log(line: Line) -> None:
    log = {"info": logger.info, "warning": logger.warning, "error": logger.error}[line.level]
    log(line.text, extra=line.fields)


def _announce(event: Mapping[str, Any], entries: Sequence[Entry], world: World) -> None:
    """Put events, which must never fail a run; what somebody asks to be planned is no event."""
    from terminator.errors import Failure, attempt
    from terminator.report import bus

    if not entries or event.get("dry_run") is True:
        return
    problems = attempt(lambda: bus.put(world.aws.events, entries, world.remaining))
    for problem in [problems.why] if isinstance(problems, Failure) else problems:
        logger.warning("events could not be put: %s", problem)


def _measure(outcomes: list[Outcome], config: Config, scope: Scope) -> None:
    """Emit metrics; a run for some of the groups says nothing of how all of them are."""
    from terminator.observe.survey import Scope
    from terminator.report import record as report

    whole = scope == Scope()
    _emit(report.metrics(outcomes) if whole else report.counts(outcomes), service=config.name)
    for outcome in outcomes if config.group_metrics else ():
        seen = outcome.decision is not None
        of = report.metrics if seen else report.counts
        _emit(of([outcome]), service=config.name, group=outcome.name)


def _emit(totals: Mapping[str, int], service: str, **dimensions: str) -> None:
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    from terminator.text import plain

    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    for name, value in dimensions.items():
        metrics.add_dimension(name, plain(value))
    for name, total in totals.items():
        metrics.add_metric(name, MetricUnit.Count, total)
    metrics.flush_metrics()
