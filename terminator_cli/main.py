"""The command line: `terminator` and its commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

# Each command, the module that has it under its own name, and its help in one line. A module
# is imported when its command is named: boto3 and the tables take longer than --help may.
_COMMANDS: Final = {
    "apply": ("plan", "Do now what is due: terminate what the rules let go."),
    "completion": ("completion", "Print the script that completes all this in a shell."),
    "doctor": ("doctor.command", "Check that a deployment can work, and say what would mend it."),
    "history": ("history", "Show what was decided, by time: which group, what, and why."),
    "pause": ("pause", "Hold a group: set its tag terminator:pause."),
    "plan": ("plan", "Show what would be done now, and why; terminate nothing."),
    "release": ("release", "Check a zip, and upload it as a release of an app."),
    "releases": ("releases", "Show the releases in S3, the one to run, and who runs what."),
    "replace": ("replace", "Replace the instances that you name now, whatever the rules say."),
    "report": (
        "report.command",
        "Write what happened as one HTML page: versions, instances, decisions and reasons.",
    ),
    "resume": ("pause", "Hold a group no longer: remove its tag terminator:pause."),
    "rollback": ("use", "Go back to the release that ran before the one that is run now."),
    "start": ("stop", "Start a deployment that was stopped."),
    "status": ("status", "Show what every group runs, wants and waits for."),
    "stop": ("stop", "Stop a deployment: no run begins until it is started again."),
    "taint": ("taint", "Have instances replaced: set their tag terminator:replace-after."),
    "untaint": ("taint", "Let instances stay: remove their tag terminator:replace-after."),
    "use": ("use", "Set which release an app runs: a version, or the newest."),
}


class _Commands(click.Group):
    """Commands that are imported when they run, and whose errors are one line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was named, from its module."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            command = load(name)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the command that was named; an error is one line and an exit status."""
        from terminator_cli.exits import INTERRUPTED, told  # noqa: PLC0415 - it imports boto3

        try:
            with told():
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)


def load(name: str) -> click.Command:
    """Import a command."""
    module, _ = _COMMANDS[name]
    command: click.Command = getattr(import_module(f"terminator_cli.{module}"), name)
    return command


@click.group(
    cls=_Commands,
    # --help and completion list these; what runs is loaded.
    commands=[click.Command(name, help=said) for name, (_, said) in _COMMANDS.items()],
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
