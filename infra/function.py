"""A function of Terminator: the common bundle, its own role and its own log group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import grants
from infra.bundle import RUNTIME
from terminator.config.stack_settings import Settings

_RETENTION: Final = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
}


class TerminatorFunction(Construct):
    """A function that may write its logs and do what its statements allow, no more."""

    def __init__(  # noqa: PLR0913 - keyword-only, as constructs are
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        handler: str,
        settings: Settings,
        code: lambda_.Code,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        memory_size: int,
        **options: Any,  # noqa: ANN401 - aws_lambda.Function's own
    ) -> None:
        super().__init__(scope, id_)
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=_RETENTION[settings.retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {name} may do",
        )
        traced = [grants.tracing()] if settings.tracing else []
        for statement in (*traced, grants.logging(self.log_group.log_group_arn), *statements):
            self.role.add_to_policy(statement)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"terminator.{handler}",
            code=code,
            # What may be done stands in the statements: the constructs would grant more.
            role=self.role.without_policy_updates(),
            environment={"POWERTOOLS_LOG_LEVEL": "INFO", **environment},
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            timeout=timeout,
            memory_size=memory_size,
            tracing=lambda_.Tracing.ACTIVE if settings.tracing else lambda_.Tracing.DISABLED,
            **options,
        )
