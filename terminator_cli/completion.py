"""`terminator completion`: the script that makes a shell complete the command line, and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from terminator_cli import settings

if TYPE_CHECKING:
    from terminator.config.deployment import Config

_COMPLETES: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
# Nobody waits longer for a key.
_PATIENCE_SECONDS: Final = 3
# A shell puts what is completed into the line as it is, and would run a name such as `$(halt)`.
_PLAIN: Final = re.compile(r"[A-Za-z0-9@%+=:,./_-][A-Za-z0-9@%+=:,./_~-]*")


def completion(shell: str) -> None:
    """Print the script that completes all this in a shell."""
    main = click.get_current_context().find_root().command
    click.echo(_COMPLETES[shell](main, {}, "terminator", "_TERMINATOR_COMPLETE").source())


def names(kind: str, context: click.Context, begun: str) -> list[str]:
    """Return the names of a kind that begin so: a group, an app, a version or an instance.

    Where AWS does not tell them in time there are those of the settings: a key that is pressed
    must never print an error, nor hang. What a shell would not take as it is, is not offered.
    """
    found: set[str] = set()

    def look() -> None:
        # No settings, no credentials, no permission, no network: there is nothing to offer.
        with suppress(Exception), context.scope(cleanup=False):
            config = settings.read(context.params.get("config_file") or Path("cdk.json"))
            found.update(config.names if kind in {"group", "app"} else ())
            found.update(_told_by_aws(kind, context, config))

    looking = Thread(target=look, daemon=True)
    looking.start()
    looking.join(_PATIENCE_SECONDS)
    return sorted(n for n in list(found) if n.startswith(begun) and _PLAIN.fullmatch(n))


def _told_by_aws(kind: str, context: click.Context, config: Config) -> Iterator[str]:
    if kind == "group" and not config.tagged:
        return
    # It imports boto3.
    from terminator_cli import reach, stream  # noqa: PLC0415

    if kind == "version":
        if context.command.name == "use":
            yield "newest"
        app = context.params.get("app")
        if app is not None and config.bucket is not None:
            s3 = reach.aws(config).s3
            releases = stream.read_stream(s3, config.bucket, app).releases
            yield from (release.version.text for release in releases)
        return
    for group in reach.groups(reach.aws(), config):
        match kind:
            case "instance":
                yield from (member.id for member in group.members)
            case "app" if not group.policy.problems:
                yield group.policy.app
            case "group":
                yield group.name
