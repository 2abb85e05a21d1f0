"""The Lambda entry point of the probe, in a module of its own, which need not import Powertools.

The probe logs nothing: its answer says everything, and Lambda's runtime logs what it raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from terminator.probe.addresses import networks
from terminator.probe.ask import Answer, ask

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# How much of its time the function keeps for sending its answers.
ANSWER_SECONDS: Final = 3.0


def probe(event: Mapping[str, Any], context: LambdaContext) -> list[Answer]:
    """Ask the instances in `questions` for their versions, for at most `seconds`.

    Those at addresses outside the networks of its deployment are not asked: they have a reason.
    """
    left = context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS
    return ask(event["questions"], min(event["seconds"], left), networks())
