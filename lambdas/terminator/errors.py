"""Errors as data: what failed, in one line that is safe for a log."""

from __future__ import annotations

import traceback
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from terminator.text import plain

AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)


class KnownError(Exception):
    """An error whose message says all there is to say."""


class UnknownGroupsError(KnownError):
    """A run was asked for groups that have not opted in; nothing was done.

    It is one error however many they are, for whoever may ask may name any number.
    """


class UnknownInstancesError(KnownError):
    """A person named instances that no group which opted in has; nothing was done."""


def code(error: ClientError) -> str:
    """Return the error code that AWS answered, such as `AccessDenied`."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def explain(error: Exception) -> str:
    """Return an error in one line: AWS's code and message, or the exception's own.

    One that nobody foresaw says where it came from.
    """
    match error:
        case ClientError():
            message = error.response.get("Error", {}).get("Message", "")
            return f"{code(error)}: {plain(message)}"
        case KnownError():
            return plain(str(error))
        case BotoCoreError() | ResponseParserError():
            return f"{type(error).__name__}: {plain(str(error))}"
        case _:
            return f"{type(error).__name__}: {plain(str(error))}{_place(error)}"


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
