"""`terminator doctor`: everything that is looked at, in order, and how it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from botocore.config import Config
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from terminator.config import deployment
from terminator.config.deployment import ConfigError
from terminator.config.tags import Limits
from terminator.text import count
from terminator_cli import output, reach, settings
from terminator_cli.doctor import boot, deployed, groups, launches, network, releases
from terminator_cli.doctor.findings import Finding, Unseen, about, look
from terminator_cli.exits import DONE, FAILED, told
from terminator_cli.options import Asked

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: Final = {"ok": "green", "warning": "bold yellow", "problem": "bold red"}
_IMPATIENT: Final = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)


def doctor(asked: Asked) -> None:
    """Check that a deployment can work, and say what would mend it."""
    found = list(_examine(asked.config_file))
    if asked.as_json:
        output.document([asdict(finding) for finding in found])
    else:
        _show(output.console(), found)
    raise SystemExit(FAILED if any(finding.level == "problem" for finding in found) else DONE)


def _examine(file: Path) -> Iterator[Finding]:
    """Check a deployment and what it serves, and yield each finding; nothing is changed.

    Without settings or credentials there is nothing else to say.
    """
    remedy = f"correct {file}, or name another with --config"
    try:
        config = settings.read(file)
    except ConfigError as error:
        yield about("settings").problem("readable", str(error), remedy)
        return
    try:  # those too that only a deployment reads: the rest does without
        deployment.deployment_from_file(file)
        yield about("settings").ok("readable", str(file))
    except ConfigError as error:
        yield about("settings").problem("readable", str(error), remedy)
    yield _limits(config.defaults.limits)
    try:
        with told():
            aws = reach.aws(config)
            sts = aws.session.client("sts", config=_IMPATIENT)
            who = f"{sts.get_caller_identity()['Arn']} in {aws.session.region_name}"
    except click.ClickException as error:
        remedy = "let boto3 find an account: AWS_PROFILE, AWS_DEFAULT_REGION"
        yield about("account").problem("credentials", error.message, remedy)
        return
    yield about("account").ok("credentials", who)
    yield from deployed.examine(aws, config)
    opted_in = look(partial(reach.groups, aws, config))
    if isinstance(opted_in, Unseen):
        action = "autoscaling:DescribeAutoScalingGroups"
        yield about("groups").unseen("opted in", opted_in, action)
        opted_in = []
    else:
        names = {group.name for group in opted_in}
        yield from groups.check_names(names, config)
        if config.tagged:
            yield from groups.examine_others(aws, names)
        yield from groups.examine_taints(aws, opted_in)
    yield from releases.examine(aws, config, opted_in)
    for group in opted_in:
        yield from groups.examine(aws, group)
        yield from launches.examine(aws, group)
        bucket = config.bucket if group.policy.follows_release else None
        yield from boot.examine(aws, group, bucket)
    yield from network.examine(aws, config, opted_in)


def _limits(limits: Limits) -> Finding:
    """Tell what no tag of a group can go beyond."""
    told = [
        f"lowest minimum {limits.minimum or 'any'}",
        f"highest max-unavailable {limits.max_unavailable or 'any'}",
        f"{limits.terminations} terminations a run",
        "tags may set " + ("all" if limits.tags is None else ", ".join(sorted(limits.tags))),
    ]
    return about("settings").ok("limits", "; ".join(told))


def _show(console: Console, found: Sequence[Finding]) -> None:
    things: dict[str, list[Finding]] = {}
    for finding in found:
        things.setdefault(finding.about, []).append(finding)
    for thing, findings in things.items():
        console.print(Text(thing, "bold"))
        rows = Table.grid(padding=(0, 2))
        rows.add_column(min_width=7, no_wrap=True)
        rows.add_column(overflow="fold")
        for finding in findings:
            text = Text(f"{finding.check}: {finding.seen}")
            if finding.remedy:
                text.append(f"\n-> {finding.remedy}", "dim")
            rows.add_row(Text(finding.level, _STYLES[finding.level]), text)
        console.print(Padding(rows, (0, 0, 0, 2)))
    levels = Counter(finding.level for finding in found)
    console.print(
        f"\n{levels['ok']} ok, {count(levels['warning'], 'warning')}, "
        f"{count(levels['problem'], 'problem')}"
    )
