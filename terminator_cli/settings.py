"""Reading the settings; those of a sandbox are for a fleet on this machine alone."""

from __future__ import annotations

import os
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from terminator.config import deployment
from terminator.config.deployment import Config, ConfigError

# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
_ENDPOINT: Final = "AWS_ENDPOINT_URL"
_IGNORED: Final = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


def read(file: Path) -> Config:
    """Return what a `cdk.json` configures; raise ConfigError naming file and setting.

    What `make sandbox` writes bears the mark `context.sandbox`. It serves every tagged group, for
    real and in seconds, so it is refused where the environment leads anywhere but to this machine.
    """
    config = deployment.from_file(file)
    if deployment.read_context(file).get("sandbox") and (elsewhere := _elsewhere()):
        raise ConfigError(f"{file} is for a sandbox on this machine, but {elsewhere}")
    return config


def period(file: Path, config: Config) -> timedelta:
    """Return the time from one run of the schedule to the next; a sandbox's is of seconds."""
    sandbox = deployment.read_context(file).get("sandbox")
    if isinstance(sandbox, dict) and isinstance(sandbox.get("schedule_seconds"), int):
        return timedelta(seconds=sandbox["schedule_seconds"])
    return config.period


def _elsewhere() -> str | None:
    """Return what leads boto3 away from this machine, None where nothing does.

    A profile may name endpoints too, but the environment's go first.
    """
    if os.environ.get(_IGNORED, "").lower() == "true":
        return f"{_IGNORED} is true: while make sandbox runs, read .sandbox/env in a new terminal"
    found = {name: url for name, url in os.environ.items() if name.startswith(_ENDPOINT) and url}
    for name, url in {_ENDPOINT: "", **found}.items():
        if not _is_loopback(url):
            told = f"{name} is {url}" if url else f"{name} is not set"
            return f"{told}: while make sandbox runs, read .sandbox/env"
    return None


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
