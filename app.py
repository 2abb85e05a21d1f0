"""The CDK app: `npx cdk deploy`."""

from __future__ import annotations

import json
import sys

from aws_cdk import App

from infra.example.fleet import ExampleFleetStack
from infra.stack import TerminatorStack
from terminator.config.deployment import ConfigError, deployment_from_settings


def main() -> None:
    """Synthesize the stacks that `context.terminator` asks for."""
    app = App()
    given = app.node.try_get_context("terminator")
    try:
        # The command line's --context is text, cdk.json's an object.
        settings = json.loads(given) if isinstance(given, str) else given
        deployment = deployment_from_settings(settings)
        name = deployment.config.name
        TerminatorStack(app, "Terminator", deployment=deployment, stack_name=name)
        if deployment.example:
            stack_name = f"{name}-example"
            ExampleFleetStack(app, "Example", deployment=deployment, stack_name=stack_name)
    except ConfigError as error:
        sys.exit(f"cdk.json: {error}")
    except json.JSONDecodeError as error:
        sys.exit(f"--context terminator is not JSON: {error}")
    app.synth()


main()
