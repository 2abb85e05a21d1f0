"""The search, searched: each rule of the decision is taken out, and it must find that out.

`python tests/taken_out.py` writes which promise broke, and the shortest life in which it did,
to docs/taken-out.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent

import click

from rules import RULES, Rule

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "lambdas" / "terminator"
PAGE = ROOT / "docs" / "taken-out.md"
_SEARCH_SECONDS = 3600
_HEAD = """# Rules taken out

Each rule of the decision was taken out of the source in turn, and the search of
[safety](safety.md) had to find it missing: here is the promise that broke, and the shortest life
in which it did. `make taken-out` writes this page anew. A life ends with its faults repaired and
a good release, so an empty one breaks its promise there. Six rules are noticed by lives that are
kept because chance seldom brings them.
"""
_STEP = re.compile(r"\w+\(.*\)")


def run_without(rule: Rule, seed: int) -> str:
    """Search with the rule taken out; return what the search said at last."""
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory) / "terminator"
        shutil.copytree(SOURCE, package)
        module = package / f"{rule.module}.py"
        module.write_text(rule.taken_out(module.read_text()))
        path = os.pathsep.join([directory, str(ROOT / "tests"), str(ROOT)])
        command = [sys.executable, str(ROOT / "tests" / "soak.py"), "--workers", "1"]
        done = subprocess.run(  # noqa: S603 - our own program
            [*command, "--seed", str(seed), "--steps", "200000"],
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_SEARCH_SECONDS,
            check=False,
        )
    return done.stderr if done.returncode == 1 else ""


def found(rule: Rule, seed: int) -> tuple[Rule, str, str]:
    """Return the rule, the promise that broke without it ("" for none), and the life."""
    said = run_without(rule, seed)
    promise, *life = said.splitlines() or [""]
    steps = [line for line in life if _STEP.fullmatch(line)]
    return (rule, promise, "\n".join(steps)) if steps else (rule, "", said)


def page(results: list[tuple[Rule, str, str]]) -> Iterator[str]:
    """Yield the page that lists what broke without each rule."""
    yield _HEAD
    for number, (rule, promise, life) in enumerate(results, 1):
        yield f"### {number}. {rule.name}\n\nBroke: **{promise}**\n\n{indent(life, '    ')}\n"


def main() -> int:
    """Take out every rule, or those whose names contain some words, and tell what broke."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("words", nargs="?", default="")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rules = [rule for rule in RULES if asked.words in rule.name]
    results = []
    with ThreadPoolExecutor(2) as pool:
        for rule, promise, life in pool.map(lambda rule: found(rule, asked.seed), rules):
            click.echo(f"{rule.name} -> {promise or 'NOT FOUND'}")
            results.append((rule, promise, life))
    if not asked.words:
        PAGE.write_text("\n".join(page(results)))
    return 0 if all(promise for _, promise, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
