"""How a command ends: its exit status, and one line on standard error where it could not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

import click

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
UNCONVERGED: Final = 3
INTERRUPTED: Final = 130


class _LineError(click.ClickException):
    """One line on standard error, which wraps between words on a terminal."""

    def show(self, file: IO[str] | None = None) -> None:
        """Print it; `file` is for click's own, which gives none."""
        # It imports the tables, which --help and completion do without.
        from terminator_cli import output

        if file is None:
            output.note(f"Error: {self.message}")
        else:
            super().show(file)


class FailedError(_LineError):
    """What was asked for could not be done, or not for all."""

    exit_code = FAILED


class NotServedError(FailedError):
    """No group of a name that was given has opted in."""


class UnusableError(_LineError):
    """Usage, configuration or credentials stand in the way."""

    exit_code = UNUSABLE


@contextmanager
def told() -> Iterator[None]:
    """Turn what the block raises of AWS and of the configuration into one clear line."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        said = _said(error)
        if said is None:
            raise
        raise said from error


def _said(  # noqa: PLR0911 - a line for each kind
    error: Exception,
) -> click.ClickException | None:
    """Return what an error comes to, None for one that is ours to mend."""
    # Whoever raised one of these has imported them; --help and completion do without.
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

    match error:
        case ConfigError() | ProfileNotFound():
            return UnusableError(str(error))
        case NoRegionError():
            return UnusableError(
                "no Region: say --region, or set AWS_DEFAULT_REGION or AWS_PROFILE"
            )
        case NoCredentialsError() | PartialCredentialsError():
            return UnusableError(
                "no credentials: say --profile, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        case Boto3Error():
            return FailedError(f"AWS says: {plain(str(error))}")
        case UnknownGroupsError():
            return NotServedError(plain(str(error)))
        case KnownError() | ReconcileError():
            return FailedError(plain(str(error)))
        case _ if isinstance(error, AWS_ERRORS):
            return FailedError(f"AWS says: {explain(error)}")
        case _:
            return None


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
