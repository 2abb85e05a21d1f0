"""`terminator completion`: the script that makes a shell complete the command line."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

_SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(sorted(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes all this in a shell.

    It completes commands, options, groups and apps; groups and apps are those that
    groups.names of the configuration lists.

    \b
    In ~/.bashrc:
        eval "$(terminator completion bash)"
    In ~/.zshrc, after compinit:
        eval "$(terminator completion zsh)"
    In ~/.config/fish/config.fish:
        terminator completion fish | source
    """  # noqa: D301 - \b keeps click from filling the lines
    main = context.find_root().command
    click.echo(_SHELLS[shell](main, {}, "terminator", "_TERMINATOR_COMPLETE").source())
