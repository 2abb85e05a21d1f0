"""The probe's Lambda entry point: apart from the others', so that it pays for no logger.

What it has to say it answers; what it raises, Lambda's runtime logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from terminator.probe.ask import Answer, ask

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What the probe keeps of its time to send its answers.
ANSWER_SECONDS: Final = 3.0


def probe(event: Mapping[str, Any], context: LambdaContext) -> list[Answer]:
    """Ask the instances in `questions` for their versions, for at most `seconds`."""
    left = context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS
    return ask(event["questions"], min(event["seconds"], left))
