"""How a command ends: its exit status, and one line on standard error where it could not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from terminator.config.deployment import ConfigError
from terminator.errors import AWS_ERRORS, KnownError, UnknownGroupsError, explain
from terminator.invoke import ReconcileError
from terminator.text import plain

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
UNCONVERGED: Final = 3
INTERRUPTED: Final = 130


class FailedError(click.ClickException):
    """What was asked for could not be done, or not for all."""

    exit_code = FAILED


class NotServedError(FailedError):
    """No group of a name that was given has opted in."""


class UnusableError(click.ClickException):
    """Usage, configuration or credentials stand in the way."""

    exit_code = UNUSABLE


@contextmanager
def told() -> Iterator[None]:
    """Turn what the block raises of AWS and of the configuration into one clear line."""
    try:
        yield
    except (ConfigError, ProfileNotFound) as error:
        raise UnusableError(str(error)) from error
    except NoRegionError as error:
        raise UnusableError(
            "no Region: say --region, or set AWS_DEFAULT_REGION or AWS_PROFILE"
        ) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        lacking = (
            "say --profile, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
        raise UnusableError(f"no credentials: {lacking}") from error
    except Boto3Error as error:
        raise FailedError(f"AWS says: {plain(str(error))}") from error
    except UnknownGroupsError as error:
        raise NotServedError(plain(str(error))) from error
    except (KnownError, ReconcileError) as error:
        raise FailedError(plain(str(error))) from error
    except AWS_ERRORS as error:
        raise FailedError(f"AWS says: {explain(error)}") from error


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is changed; `yes` answers.

    Raise UnusableError where nobody can be asked, FailedError where the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UnusableError(f"{question} Nobody can be asked here: say --yes")
    if not click.confirm(question, err=True):
        raise FailedError("nothing was changed")
