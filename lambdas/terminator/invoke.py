"""Invoking our functions: reconcile asks probe, release and the command line ask reconcile."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from terminator.errors import (
    AWS_ERRORS,
    KnownError,
    UnknownGroupsError,
    UnknownInstancesError,
    code,
    explain,
)
from terminator.observe.versions import OVERRUN_SECONDS, Probe, ProbeError
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_lambda.client import LambdaClient

    from terminator.marker import Order
    from terminator.probe.ask import Answer, Question

# An account may be at its limit of concurrent executions for a moment; waited is so many seconds.
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_THROTTLED: Final = "TooManyRequestsException"
# Three calls of S3, none of them retried.
_WITHDRAW_SECONDS: Final = 30.0
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


class WithdrawError(KnownError):
    """The function that takes a release back failed; the message says what it told."""


class ReconcileError(Exception):
    """The deployed reconcile could not be run; the message says why."""


def probe_through(
    functions_within: Callable[[float], LambdaClient],
    names: Mapping[str, str],
    wait: Callable[[float], None] | None = None,
) -> Probe:
    """Return a probe that invokes the probe function of the instances' VPC.

    `functions_within` gives a client that waits so many seconds for an answer, so that one
    that hangs does not take the time of the others; `names` maps the ids of VPCs to names or
    ARNs of functions; `wait` waits for seconds. An invocation that Lambda throttles is tried
    again while there is time.
    """

    def probe(vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        if vpc not in names:
            raise ProbeError(f"no probe function is configured for {plain(vpc) or 'no VPC'}")
        pauses = iter(_PAUSES)
        while True:
            payload = {"questions": list(questions), "seconds": seconds}
            try:
                return _invoke(functions_within(seconds + OVERRUN_SECONDS), names[vpc], payload)
            except (*AWS_ERRORS, ValueError) as error:
                throttled = isinstance(error, ClientError) and code(error) == _THROTTLED
                pause = next(pauses, math.inf)
                if not throttled or pause >= seconds:
                    why = f"the probe function of {vpc} failed: {explain(error)}"
                    raise ProbeError(why) from error
            (wait or time.sleep)(pause)
            seconds -= pause

    return probe


def _invoke(functions: LambdaClient, name: str, payload: Mapping[str, object]) -> list[Answer]:
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(payload).encode())
    body = answer["Payload"].read()
    if "FunctionError" in answer:
        told = plain(body.decode(errors="replace"))
        raise ProbeError(f"the probe function {name} failed: {told}")
    answers: object = json.loads(body)
    return answers if isinstance(answers, list) else []


def withdraw_through(
    functions_within: Callable[[float], LambdaClient], name: str
) -> Callable[[Order], str | None]:
    """Return what takes a release back by invoking the function of this name.

    It returns why nothing was done, None where it was; it raises WithdrawError where the function
    failed, and errors of AWS pass through it.
    """

    def withdraw(order: Order) -> str | None:
        payload = json.dumps(order.to_json()).encode()
        functions = functions_within(_WITHDRAW_SECONDS)
        answer = functions.invoke(FunctionName=name, Payload=payload)
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            raise WithdrawError(f"the function {name} failed: {body.decode(errors='replace')}")
        refused = json.loads(body).get("refused")
        return None if refused is None else plain(str(refused))

    return withdraw


def ask_reconcile(functions: LambdaClient, name: str, app: str, now: datetime) -> None:
    """Invoke the reconcile function for the groups of one app, without waiting for it.

    The event carries the time, as those of EventBridge do: a late one is dropped.
    """
    payload = json.dumps({"app": app, "time": now.isoformat()}).encode()
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=payload)


def run_reconcile(
    functions: LambdaClient, name: str, event: Mapping[str, object]
) -> list[dict[str, Any]]:
    """Invoke the reconcile function, wait for it, and return its records as JSON.

    Raise UnknownGroupsError where the event names groups that have not opted in,
    UnknownInstancesError where it names instances of none that has, ReconcileError where it did not
    get so far as to have records otherwise. Errors of AWS pass through.
    """
    payload = json.dumps({**event, "records": True}).encode()
    answer = functions.invoke(FunctionName=name, Payload=payload)
    body: Any = json.loads(answer["Payload"].read())
    if "FunctionError" not in answer:
        return list(body)
    told = plain(str(body.get("errorMessage", "")))
    for unknown in (UnknownGroupsError, UnknownInstancesError):
        if body.get("errorType") == unknown.__name__:
            raise unknown(told)
    if body.get("errorType") != "RunFailedError":
        raise ReconcileError(f"{name} failed: {plain(str(body.get('errorType')))}: {told}")
    try:
        return list(json.loads(body["errorMessage"]))
    except ValueError:
        raise ReconcileError(f"{name} failed: {told}") from None
