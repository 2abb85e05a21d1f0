"""Our functions calling each other: reconcile asks probe, release asks reconcile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from terminator.errors import AWS_ERRORS, explain, plain
from terminator.observe import Probe, ProbeError

if TYPE_CHECKING:
    from types_boto3_lambda.client import LambdaClient

    from terminator.probe import Answer, Question


def probe_through(functions: LambdaClient, names: Mapping[str, str]) -> Probe:
    """Return a probe that invokes the probe function of the instances' VPC.

    `names` maps the ids of VPCs to names or ARNs of functions.
    """

    def probe(vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        if vpc not in names:
            raise ProbeError(f"no probe function is configured for {plain(vpc) or 'no VPC'}")
        payload = {"questions": list(questions), "seconds": seconds}
        try:
            return _invoke(functions, names[vpc], payload)
        except (*AWS_ERRORS, ValueError) as error:
            raise ProbeError(f"the probe function of {vpc} failed: {explain(error)}") from error

    return probe


def _invoke(functions: LambdaClient, name: str, payload: Mapping[str, object]) -> list[Answer]:
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(payload).encode())
    body = answer["Payload"].read()
    if "FunctionError" in answer:
        raise ProbeError(
            f"the probe function {name} failed: {plain(body.decode(errors='replace'))}"
        )
    answers: object = json.loads(body)
    return answers if isinstance(answers, list) else []


def ask_reconcile(functions: LambdaClient, name: str, app: str) -> None:
    """Invoke the reconcile function for the groups of one app, without waiting for it."""
    payload = json.dumps({"app": app}).encode()
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=payload)
