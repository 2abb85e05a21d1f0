"""The handlers in this process as they are in Lambda: their environment, clients and log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from sandbox.local_aws import ACCOUNT
from terminator import handlers
from terminator.probe import handler as probe_handler
from terminator.probe.addresses import SANDBOX_NETWORKS
from tests.fakes.cloud import Cloud

if TYPE_CHECKING:
    import pytest

HANDLERS: Final[Mapping[str, Any]] = {
    "reconcile": handlers.reconcile,
    "release": handlers.release,
    "probe": probe_handler.probe,
    "withdraw": handlers.withdraw,
}


def context() -> Any:
    """Return the context that Lambda gives a handler."""
    return SimpleNamespace(
        function_name="terminator",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:terminator",
        aws_request_id="request-1",
        get_remaining_time_in_millis=lambda: 300_000,
    )


def configure(patch: pytest.MonkeyPatch, settings: Mapping[str, object]) -> None:
    """Give the handlers their settings."""
    patch.setenv("TERMINATOR_CONFIG", json.dumps(settings))
    handlers._config.cache_clear()  # noqa: SLF001 - a container reads it once


def deploy(
    patch: pytest.MonkeyPatch,
    aws: Any,
    settings: Mapping[str, object],
    probes: Mapping[str, str],
) -> None:
    """Put the handlers' settings and clients in place; `probes` are functions by VPC."""
    configure(patch, settings)
    patch.setenv("TERMINATOR_PROBES", json.dumps(probes))
    patch.setenv("TERMINATOR_RECONCILE", "reconcile")
    patch.setenv("TERMINATOR_WITHDRAW", "withdraw")
    patch.setenv("TERMINATOR_ACCOUNT", ACCOUNT)
    patch.setenv(SANDBOX_NETWORKS, "127.0.0.0/8")
    patch.setattr(handlers, "_aws", lambda: aws)
    handlers._events.cache_clear()  # noqa: SLF001 - as of a process that has just begun


def keep_time(patch: pytest.MonkeyPatch, cloud: Cloud) -> None:
    """Have the handlers go by the cloud model's clock."""
    patch.setattr(handlers, "datetime", SimpleNamespace(now=lambda _zone: cloud.now))
    sleep = SimpleNamespace(sleep=lambda seconds: cloud.wait(seconds / 60))
    patch.setattr(handlers, "time", sleep)


def log_to(patch: pytest.MonkeyPatch, stream: io.StringIO) -> None:
    """Have the handlers log to a stream."""
    [handler] = logging.getLogger(handlers.SERVICE).handlers
    patch.setattr(handler, "stream", stream)
