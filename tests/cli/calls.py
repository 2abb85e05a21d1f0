"""What commands call in AWS, and what their documentation says they may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import boto3

DOCS: Final = Path(__file__).parents[2] / "docs"
PERMISSIONS: Final = DOCS / "permissions.md"
COMMANDS: Final = DOCS / "cli.md"
# What IAM calls them, where that is not what the API does.
_RENAMED: Final = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
}


@contextmanager
def recording() -> Iterator[set[str]]:
    """Note the IAM actions of what commands in this process call."""
    made: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        api = f"{model.service_model.service_name}:{model.name}"
        made.add(_RENAMED.get(api, api))

    def session(**asked: Any) -> boto3.Session:
        new = real(**asked)
        new.events.register("before-parameter-build", note)
        return new

    real = boto3.Session
    with patch("terminator_cli.reach.boto3.Session", session):
        yield made


def documented(command: str) -> set[str]:
    """Return the IAM actions that the documentation lists for a command."""
    text = PERMISSIONS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z` ]+`) \| (.*) \|$", text, re.MULTILINE)
    found = [actions for commands, actions in rows if f"`{command}`" in commands and ":" in actions]
    actions = re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", found[-1])
    return set(actions)
