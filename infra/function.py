"""A function of Terminator: the common bundle, a role and a log group of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import grants
from infra.bundle import RUNTIME
from terminator.config.deployment import Architecture, Deployment

_ARCHITECTURES: Final[Mapping[Architecture, lambda_.Architecture]] = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


class TerminatorFunction(Construct):
    """A function that may write its logs and do what its statements allow, no more.

    `settings` says whether its environment holds the settings, which the probe does without.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, as constructs are
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        handler: str,
        deployment: Deployment,
        code: lambda_.Code,
        environment: Mapping[str, str],
        settings: bool = True,
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        **options: Any,  # noqa: ANN401 - aws_lambda.Function's own
    ) -> None:
        super().__init__(scope, id_)
        name = f"{deployment.config.name}-{name}"
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        # The construct takes names for days, such as TWO_WEEKS; the resource takes the number.
        resource = cast("logs.CfnLogGroup", self.log_group.node.default_child)
        resource.retention_in_days = deployment.log_retention_days
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {name} may do",
        )
        common = grants.for_every_function(self.log_group.log_group_arn, tracing=deployment.tracing)
        for statement in (*common, *statements):
            self.role.add_to_policy(statement)
        told = {"POWERTOOLS_LOG_LEVEL": "INFO", **environment}
        if settings:
            told["TERMINATOR_CONFIG"] = json.dumps(dict(deployment.texts), sort_keys=True)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            runtime=RUNTIME,
            architecture=_ARCHITECTURES[deployment.architecture],
            handler=f"terminator.{handler}",
            code=code,
            # What may be done stands in the statements: the constructs would grant more.
            role=self.role.without_policy_updates(),
            environment=told,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            timeout=timeout,
            memory_size=512,
            tracing=lambda_.Tracing.ACTIVE if deployment.tracing else lambda_.Tracing.DISABLED,
            **options,
        )
