"""`terminator doctor`: whether a deployment can work, and what would mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from botocore.config import Config as ClientConfig
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from terminator.clients import Aws
from terminator.config import deployment as config
from terminator.config import stack_settings as settings
from terminator.config.deployment import ConfigError
from terminator.text import count
from terminator_cli import options, output, reach
from terminator_cli.checkup.examine import examine
from terminator_cli.checkup.findings import Finding, about
from terminator_cli.exits import DONE, FAILED, told
from terminator_cli.options import Asked

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"ok": "green", "warning": "bold yellow", "problem": "bold red"}

_IMPATIENT = ClientConfig(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)


@click.command()
@options.common
def doctor(asked: Asked) -> None:
    """Check that a deployment can work, and say what would mend it.

    Looks at the settings, the functions, the releases bucket, each group that opted in, what
    it launches from, and whether its probe may reach it. Changes nothing. What you may not
    look at is a warning. Exit status 1 if there is a problem.

    \b
    Examples: terminator doctor
              terminator doctor --json
    """  # noqa: D301 - \b keeps click from filling the lines
    found = list(_findings(asked))
    if asked.as_json:
        output.document([asdict(each) for each in found])
    else:
        _show(output.console(), found)
    raise SystemExit(FAILED if any(each.level == "problem" for each in found) else DONE)


def _findings(asked: Asked) -> Iterator[Finding]:
    """Yield the findings; without settings or credentials there is nothing else to say."""
    try:
        with told():
            configured = config.from_file(asked.config_file)
    except click.ClickException as error:
        yield _unreadable(asked.config_file, error.message)
        return
    yield _settings(asked.config_file)
    try:
        with told():
            aws = reach.aws()
            yield about("account").ok("credentials", _identity(aws))
    except click.ClickException as error:
        remedy = "let boto3 find an account: AWS_PROFILE, AWS_DEFAULT_REGION"
        yield about("account").problem("credentials", error.message, remedy)
        return
    yield from examine(aws, configured)


def _settings(file: Path) -> Finding:
    """Check those too that only a deployment reads: the rest of the checkup does without."""
    try:
        config.of_file(file, settings.read)
    except ConfigError as error:
        return _unreadable(file, str(error))
    return about("settings").ok("readable", str(file))


def _unreadable(file: Path, why: str) -> Finding:
    remedy = f"correct {file}, or name another with --config"
    return about("settings").problem("readable", why, remedy)


def _identity(aws: Aws) -> str:
    sts = aws.session.client("sts", config=_IMPATIENT)
    identity = sts.get_caller_identity()
    return f"{identity['Arn']} in {aws.session.region_name}"


def _show(console: Console, found: Sequence[Finding]) -> None:
    things: dict[str, list[Finding]] = {}
    for finding in found:
        things.setdefault(finding.about, []).append(finding)
    for thing, findings in things.items():
        console.print(Text(thing, "bold"))
        rows = Table.grid(padding=(0, 2))
        rows.add_column(min_width=7, no_wrap=True)
        rows.add_column(overflow="fold")
        for each in findings:
            rows.add_row(Text(each.level, _STYLES[each.level]), _words(each))
        console.print(Padding(rows, (0, 0, 0, 2)))
    levels = Counter(finding.level for finding in found)
    console.print(
        f"\n{levels['ok']} ok, {count(levels['warning'], 'warning')}, "
        f"{count(levels['problem'], 'problem')}"
    )


def _words(finding: Finding) -> Text:
    words = Text(f"{finding.check}: {finding.seen}")
    return words.append(f"\n-> {finding.remedy}", "dim") if finding.remedy else words
