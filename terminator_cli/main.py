"""The command line: `terminator` and its commands."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import click

from terminator_cli.commands import COMMANDS
from terminator_cli.exits import INTERRUPTED, told


class _Commands(click.Group):
    """Commands whose errors are one line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was named; for one that is not there say which was meant."""
        near = get_close_matches(args[0], self.commands, n=1)
        if near and args[0] not in self.commands and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the command that was named; an error is one line and an exit status."""
        try:
            with told():
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_Commands,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="terminator")
def main() -> None:
    """Keep EC2 Auto Scaling groups on the release they should be running.

    Account, Region and endpoint are boto3's to find (AWS_PROFILE, AWS_DEFAULT_REGION,
    AWS_ENDPOINT_URL and so on), or said with --profile and --region.

    \b
    Exit status:
        0  done (a hold is done)
        1  something failed, or you declined
        2  usage, configuration or credentials
        3  status --watch: not converged in time (--timeout)
      130  interrupted
    """  # noqa: D301 - \b keeps click from filling the lines
