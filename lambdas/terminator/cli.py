"""The command line: `terminator` and its commands."""

from __future__ import annotations

import click

from terminator.commands import runs
from terminator.commands.stops import Commands


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="terminator")
def main() -> None:
    """Keep EC2 Auto Scaling groups on the release they should be running.

    Account, Region and endpoint are boto3's to find: AWS_PROFILE, AWS_DEFAULT_REGION,
    AWS_ENDPOINT_URL and so on. Exit status: 0 done (a hold is done), 1 something failed in
    some group, 2 usage or configuration.
    """


main.add_command(runs.plan)
main.add_command(runs.apply)
