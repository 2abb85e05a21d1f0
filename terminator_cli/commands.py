"""The commands, as `terminator` offers them: what each takes, and what its help says.

Here is what --help and completion need, and no more: boto3, the tables and the rules take longer
to import than either may. The function that a command runs is imported when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from terminator_cli import options
from terminator_cli.options import Shared

_SHELLS: Final = ("bash", "fish", "zsh")


def _command(
    runs: str, help_: str, *own: click.Parameter, shared: Shared | None = None
) -> click.Command:
    """Return a command that runs `module:function`, which has its name.

    Its `own` parameters are passed by name, and before them what its `shared` ones make.
    """
    module, _, name = runs.partition(":")

    def call(**given: object) -> None:
        function: Callable[..., None] = getattr(import_module(f"terminator_cli.{module}"), name)
        function(*([shared.made_of(given)] if shared else []), **given)

    params: Sequence[click.Parameter] = [*own, *(shared.options if shared else ())]
    return click.Command(name, callback=call, params=[*params], help=help_)


_GROUP: Final = click.Argument(["group"], shell_complete=options.complete("group"))
_INSTANCES: Final = click.Argument(
    ["instances"],
    nargs=-1,
    required=True,
    metavar="INSTANCE...",
    shell_complete=options.complete("instance"),
)
_APP: Final = options.app("The app whose releases are meant.", required=True)

COMMANDS: Final[Sequence[click.Command]] = (
    _command(
        "plan:apply",
        """Do now what is due: terminate what the rules let go.

        Shows who would go, and asks; --yes acts at once. Where nobody would go nothing is asked.
        It acts though dry_run is true in the settings, and says so.

        \b
        Examples: terminator apply
                  terminator apply --yes --json
        """,
        options.GROUPS,
        options.YES,
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
    _command(
        "completion:completion",
        """Print the script that completes all this in a shell.

        It completes commands, options, and the names of groups, apps, releases and instances;
        those that only AWS knows it asks for, where there are credentials.

        \b
        In ~/.bashrc:
            eval "$(terminator completion bash)"
        In ~/.zshrc, after compinit:
            eval "$(terminator completion zsh)"
        In ~/.config/fish/config.fish:
            terminator completion fish | source
        """,
        click.Argument(["shell"], type=click.Choice(_SHELLS)),
    ),
    _command(
        "doctor.command:doctor",
        """Check that a deployment can work, and say what would mend it.

        Looks at the settings, the functions, the releases bucket, each group that opted in, what
        it launches from, and whether its probe may reach it. Changes nothing. What you may not
        look at is a warning. Exit status 1 if there is a problem.

        \b
        Examples: terminator doctor
                  terminator doctor --json
        """,
        shared=options.COMMON,
    ),
    _command(
        "history:history",
        """Show what was decided, by time: which group, what, and why.

        Decisions that repeat are folded into one row, with how often and until when. With
        --instance it tells first what became of that instance, and why.

        \b
        Examples: terminator history --group live_asg_web --since 2h
                  terminator history --instance i-0ae0fbd754e6d71d9 --since 7d
        """,
        click.Option(
            ["--instance"],
            metavar="ID",
            shell_complete=options.complete("instance"),
            help="What became of this instance and why, and only decisions to terminate it.",
        ),
        click.Option(["--limit"], type=click.IntRange(min=1), help="At most so many, the newest."),
        click.Option(
            ["--all", "unfolded"], is_flag=True, help="Do not fold decisions that repeat."
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="Print decision records, as a list."
        ),
        shared=options.RECORDS,
    ),
    _command(
        "pause:pause",
        """Hold a group: set its tag terminator:pause.

        Shows the decision that follows; with --dry-run and --local: the one that would follow. The
        deployed function plans with the tags as they are, so a --dry-run that asks it shows the
        one as it is now.

        \b
        Example: terminator pause live_asg_web --reason "release freeze until Monday"
        """,
        _GROUP,
        click.Option(["--reason"], default="", metavar="TEXT", help="Why; logs and plans say it."),
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
    _command(
        "plan:plan",
        """Show what would be done now, and why; terminate nothing.

        Example: terminator plan --group live_asg_web
        """,
        options.GROUPS,
        shared=options.OBSERVING,
    ),
    _command(
        "release:release",
        """Check a zip, and upload it as a release of an app.

        The zip must be readable and not empty, and the version new. Shows what the app is to run
        then and how many instances of each group go, and asks; where it would not become the
        release to run, it says why.

        \b
        Examples: terminator release build/web.zip --app web --version 1.0.275
                  terminator release web.zip --app web --version 1.0.275 --dry-run
        """,
        click.Argument(["file"], type=click.Path(exists=True, dir_okay=False, path_type=Path)),
        _APP,
        click.Option(
            ["--version", "text"], required=True, metavar="VERSION", help="Such as 1.0.275."
        ),
        click.Option(["--force"], is_flag=True, help="Replace the zip where the version exists."),
        options.YES,
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
    _command(
        "releases:releases",
        """Show the releases in S3, the one to run, and who runs what.

        \b
        Examples: terminator releases
                  terminator releases --app web --json
        """,
        options.app("The app whose releases are meant. Default: of all groups that opted in."),
        shared=options.OBSERVING,
    ),
    _command(
        "replace:replace",
        """Replace the instances that you name, whatever the rules say.

        For the emergency in which waiting for the rules is wrong. Shows who would go, who stays
        and why, and what is overridden (the target, its proof, a window), and asks. It keeps the
        minimum, and never takes what is protected from scale-in, in Standby or in a paused group.
        The group boots a replacement, of the release that it would boot anyway. Exit status 1: not
        all that you named go.

        \b
        Example: terminator replace i-01eb1b24b1e5d8a3e
        """,
        _INSTANCES,
        options.YES,
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
    _command(
        "report.command:report",
        """Write what happened as one page of HTML.

        The page needs nothing but itself: mail it, print it, keep it.

        Example: terminator report --group live_asg_web --since 2h -o report.html
        """,
        click.Option(
            ["-o", "--output"],
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            default=Path("report.html"),
            show_default=True,
            help="Where to write the page; - is standard output.",
        ),
        shared=options.RECORDS,
    ),
    _command(
        "pause:resume",
        """Hold a group no longer: remove its tag terminator:pause.

        Shows the decision that follows; with --dry-run and --local: the one that would follow. The
        deployed function plans with the tags as they are, so a --dry-run that asks it shows the
        one as it is now.

        Example: terminator resume live_asg_web
        """,
        _GROUP,
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
    _command(
        "restore:restore",
        """Put a release back that was taken back by itself.

        Removes the delete marker of its zip, and asks before. The zip keeps the tag
        terminator:withdrawn, so it is not taken back a second time. What somebody deleted by hand
        is not put back: upload it again.

        \b
        Examples: terminator restore --app web 1.0.275
                  terminator restore --app web 1.0.275 --yes
        """,
        click.Argument(["version"]),
        _APP,
        options.YES,
        options.DRY_RUN,
        shared=options.COMMON,
    ),
    _command(
        "use:rollback",
        """Go back to the release that ran before the one to run.

        That is the highest below it that instances still run; where none runs one, the highest
        below it that was uploaded before it. Shows what would be replaced, and asks. Repeated, it
        refuses to go further back: say where to with --to. The pointer keeps the app there until
        `terminator use --app NAME newest`.

        \b
        Examples: terminator rollback --app web
                  terminator rollback --app web --to 1.0.266
        """,
        _APP,
        click.Option(
            ["--to"],
            metavar="VERSION",
            shell_complete=options.complete("version"),
            help="To this release, whatever ran before.",
        ),
        options.YES,
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
    _command(
        "stop:start",
        """Start a deployment that was stopped.

        Gives reconcile the concurrency that the settings say, and enables the rules again. The
        next run comes by the schedule; `terminator plan` shows what it would do.

        Example: terminator start
        """,
        options.DRY_RUN,
        shared=options.COMMON,
    ),
    _command(
        "status:status",
        """Show what every group runs, wants and waits for.

        It changes nothing. With --watch it stays until every group has converged; not on a
        terminal it prints a line for each change instead, or with --json an object. Exit status: 0
        shown, or converged; 1 something failed in some group, or with --watch there is none to
        serve; 3 not converged within --timeout; 130 interrupted.

        \b
        Examples: terminator status --group live_asg_web
                  terminator status --watch --app web --version 1.0.275 --timeout 30m
        """,
        options.GROUPS,
        options.app("The app whose groups are meant. Default: all groups that opted in."),
        click.Option(["-w", "--watch"], is_flag=True, help="Look again until all have converged."),
        click.Option(
            ["--version", "wanted"],
            metavar="VERSION",
            shell_complete=options.complete("version"),
            help="With --watch: until all run this version, whatever they should run now.",
        ),
        click.Option(
            ["--interval"],
            callback=options.duration,
            default="15s",
            show_default=True,
            metavar="DURATION",
            help="With --watch: the time between two looks, from 1s to 1h.",
        ),
        click.Option(
            ["--timeout"],
            callback=options.duration,
            metavar="DURATION",
            help="With --watch: end after this time, such as 30m, with exit status 3.",
        ),
        shared=options.OBSERVING,
    ),
    _command(
        "stop:stop",
        """Stop a deployment: no run begins until it is started again.

        Disables the rules that start its functions, then sets the reserved concurrency of
        reconcile to 0. A run under way goes on to its end, which takes five minutes at most. What
        deploys again does not start it.

        \b
        Examples: terminator stop
                  terminator stop --dry-run
        """,
        options.DRY_RUN,
        shared=options.COMMON,
    ),
    _command(
        "taint:taint",
        """Have instances replaced: tag them terminator:replace-after.

        They go one at a time, once their groups have converged, within the minimum, in the window
        and held by alarms.

        \b
        Examples: terminator taint i-0a1b2c3d4e5f60718
                  terminator taint i-0a1b2c3d4e5f60718 --after 2026-11-30T22:00:00+01:00
        """,
        _INSTANCES,
        click.Option(
            ["--after"],
            callback=options.from_now,
            metavar="TIME",
            help="From when on: a time, or 90m, 2h from now. Default: now.",
        ),
        options.DRY_RUN,
        shared=options.COMMON,
    ),
    _command(
        "taint:untaint",
        """Let instances stay: untag them terminator:replace-after.

        Example: terminator untaint i-0a1b2c3d4e5f60718
        """,
        _INSTANCES,
        options.DRY_RUN,
        shared=options.COMMON,
    ),
    _command(
        "use:use",
        """Set which release an app runs: a version, or the newest.

        Shows what would be replaced, and asks. VERSION must be a release: it is written to the
        pointer, the object {app}/current. `newest` removes the pointer: from now on the newest is
        run.

        \b
        Examples: terminator use --app web 1.0.266
                  terminator use --app web newest --yes
        """,
        click.Argument(["version"], shell_complete=options.complete("version")),
        _APP,
        options.YES,
        options.DRY_RUN,
        shared=options.OBSERVING,
    ),
)
