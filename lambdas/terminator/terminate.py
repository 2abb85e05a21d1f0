"""Terminating, with an outcome for each instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from terminator.errors import code, explain

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html
_BUSY: Final = frozenset(
    {"InstanceRefreshInProgress", "ScalingActivityInProgress", "ResourceContention"}
)
_GONE: Final = ("not found", "not part of", "not in an auto scaling group")
_NEVER_SENT: Final = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
_SERVER_ERROR: Final = 500
# One call, never retried, takes no longer.
CALL_SECONDS: Final = 10


@dataclass(frozen=True)
class Terminations:
    """What AWS answered: ids it accepted, and why the others were deferred or failed.

    `unclear` has those of the failed that may have been terminated all the same. `refresh` is the
    id of the instance refresh that was started in place of a termination, None where none was.
    """

    terminated: tuple[str, ...] = ()
    deferred: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    refresh: str | None = None


def terminate(
    autoscaling: AutoScalingClient, ids: Sequence[str], remaining: Callable[[], float]
) -> Terminations:
    """Terminate the instances one call each, so that the group replaces them.

    Stops at the first that AWS does not accept: a deferral or a failure leaves the rest of
    the group alone for this run. The client must not retry: an answer may have been lost.
    """
    terminated: list[str] = []
    for id_ in ids:
        if remaining() < CALL_SECONDS:
            return Terminations(tuple(terminated), failed={id_: "time ran out"})
        try:
            autoscaling.terminate_instance_in_auto_scaling_group(
                InstanceId=id_, ShouldDecrementDesiredCapacity=False
            )
        except Exception as error:  # noqa: BLE001 - what was terminated must be told
            return refused(id_, error, "may have been terminated", tuple(terminated))
        terminated.append(id_)
    return Terminations(tuple(terminated))


def refused(
    id_: str, error: Exception, maybe: str, terminated: tuple[str, ...] = ()
) -> Terminations:
    """Return what came of a call about an instance that raised, after others were terminated.

    It was deferred, failed, or nobody knows: then it `maybe` was done all the same.
    """
    why = explain(error)
    if _is_deferral(error):
        return Terminations(terminated, deferred={id_: why})
    if _was_refused(error):
        return Terminations(terminated, failed={id_: why})
    why = f"no clear answer, so it {maybe}: {why}"
    return Terminations(terminated, failed={id_: why}, unclear=(id_,))


def _is_deferral(error: Exception) -> bool:
    """Say whether the group is busy or the instance has gone: the next run looks anew."""
    if not isinstance(error, ClientError):
        return False
    if code(error) in _BUSY:
        return True
    told = explain(error).lower()
    gone = "instance" in told and any(words in told for words in _GONE)
    return code(error) == "ValidationError" and gone


def _was_refused(error: Exception) -> bool:
    """Say whether the call was refused or never sent; an error of the server's says neither."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) < _SERVER_ERROR
    return isinstance(error, _NEVER_SENT)
