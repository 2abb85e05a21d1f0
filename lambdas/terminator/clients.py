"""The boto3 clients, each made once and only when used."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

if TYPE_CHECKING:
    import boto3
    from botocore.model import OperationModel
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_cloudwatch.client import CloudWatchClient
    from types_boto3_ec2.client import EC2Client
    from types_boto3_elb.client import ElasticLoadBalancingClient
    from types_boto3_elbv2.client import ElasticLoadBalancingv2Client
    from types_boto3_events.client import EventBridgeClient
    from types_boto3_lambda.client import LambdaClient
    from types_boto3_s3.client import S3Client

_CONNECT_SECONDS: Final = 2
_READ_SECONDS: Final = 5
# A probe function takes as long as its instances let it: at most its own two minutes.
_INVOKE_SECONDS: Final = 150.0


def _config(attempts: int = 3, read_seconds: float = _READ_SECONDS) -> Config:
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


@dataclass(frozen=True)
class Aws:
    """AWS as one session sees it; the session decides account, Region and endpoint.

    `invoke_seconds` is how long a function that is invoked may take. `bucket_owner` tells the id
    of the account that every bucket has to belong to: of another one S3 answers AccessDenied, so
    that nobody takes over the name of a bucket that was deleted.
    """

    session: boto3.Session
    invoke_seconds: float = _INVOKE_SECONDS
    bucket_owner: Callable[[], str] | None = None
    _patient: dict[float, LambdaClient] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _making: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @cached_property
    def autoscaling(self) -> AutoScalingClient:
        """Auto Scaling, for looking."""
        return self.session.client("autoscaling", config=_config())

    @cached_property
    def terminating(self) -> AutoScalingClient:
        """Auto Scaling, for terminating: never retried, for an answer may have been lost."""
        return self.session.client("autoscaling", config=_config(attempts=1))

    @cached_property
    def ec2(self) -> EC2Client:
        """EC2."""
        return self.session.client("ec2", config=_config())

    @cached_property
    def elb(self) -> ElasticLoadBalancingClient:
        """Classic load balancers."""
        return self.session.client("elb", config=_config())

    @cached_property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        """Load balancers with target groups."""
        return self.session.client("elbv2", config=_config())

    @cached_property
    def s3(self) -> S3Client:
        """S3, which is told with each call whose the bucket has to be."""
        client = self.session.client("s3", config=_config())
        if self.bucket_owner is not None:
            client.meta.events.register("before-parameter-build.s3", self._expect_owner)
        return client

    @cached_property
    def withdrawing(self) -> S3Client:
        """S3, for taking a release back: never retried, for an answer may have been lost."""
        client = self.session.client("s3", config=_config(attempts=1))
        client.meta.events.register("before-parameter-build.s3", self._expect_owner)
        return client

    def _expect_owner(self, params: dict[str, Any], model: OperationModel, **_: object) -> None:
        owner, takes = self.bucket_owner, model.input_shape
        if owner is not None and takes is not None and "ExpectedBucketOwner" in takes.members:
            params["ExpectedBucketOwner"] = owner()

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch."""
        return self.session.client("cloudwatch", config=_config())

    @cached_property
    def events(self) -> EventBridgeClient:
        """EventBridge: hardly retried, for nothing depends on an event."""
        return self.session.client("events", config=_config(attempts=2))

    @cached_property
    def functions(self) -> LambdaClient:
        """Lambda: not retried, and as patient as a function may need."""
        return self.functions_within(self.invoke_seconds)

    def functions_within(self, seconds: float) -> LambdaClient:
        """Lambda, not retried, waiting for an answer for at most so many seconds.

        May be called in several threads at the same time.
        """
        longest = math.ceil(min(seconds, self.invoke_seconds))
        with self._making:  # a session makes one client at a time
            if longest not in self._patient:
                config = _config(attempts=1, read_seconds=longest)
                self._patient[longest] = self.session.client("lambda", config=config)
            return self._patient[longest]
