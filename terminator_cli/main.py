"""The command line: `terminator` and its commands."""

from __future__ import annotations

import click

from terminator_cli import completion, doctor, pause, pointing, release, releases, runs, status
from terminator_cli.recorded import commands as recorded
from terminator_cli.stops import Commands


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="terminator")
def main() -> None:
    """Keep EC2 Auto Scaling groups on the release they should be running.

    Account, Region and endpoint are boto3's to find: AWS_PROFILE, AWS_DEFAULT_REGION,
    AWS_ENDPOINT_URL and so on.

    \b
    Exit status:
        0  done (a hold is done)
        1  something failed, or you declined
        2  usage, configuration or credentials
        3  status --watch: not converged in time
      130  interrupted
    """  # noqa: D301 - \b keeps click from filling the lines


main.add_command(completion.completion)
main.add_command(doctor.doctor)
main.add_command(recorded.history)
main.add_command(pause.pause)
main.add_command(pause.resume)
main.add_command(recorded.report)
main.add_command(pointing.rollback)
main.add_command(pointing.use)
main.add_command(release.release)
main.add_command(releases.releases_)
main.add_command(runs.apply)
main.add_command(runs.plan)
main.add_command(status.status)
