"""The CDK app: `npx cdk deploy`."""

from __future__ import annotations

import json
import sys

from aws_cdk import App

from infra.example_fleet import ExampleFleetStack
from infra.stack import TerminatorStack
from terminator.config import stack_settings as settings
from terminator.config.deployment import ConfigError


def main() -> None:
    """Synthesize the stacks that `context.terminator` asks for."""
    app = App()
    given = app.node.try_get_context("terminator")
    try:
        # The command line's --context is text, cdk.json's an object.
        read = settings.read(json.loads(given) if isinstance(given, str) else given)
        name = read.runtime.name
        TerminatorStack(app, "Terminator", settings=read, stack_name=name)
        if read.example:
            ExampleFleetStack(app, "Example", settings=read, stack_name=f"{name}-example")
    except ConfigError as error:
        sys.exit(f"cdk.json: {error}")
    except json.JSONDecodeError as error:
        sys.exit(f"--context terminator is not JSON: {error}")
    app.synth()


main()
