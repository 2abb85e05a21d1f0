"""The rooms of the house: what each may import."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import terminator
import terminator_cli

PACKAGE = Path(terminator.__file__).parent
IMPURE_STDLIB = {"asyncio", "os", "random", "socket", "subprocess", "time", "urllib"}


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path, PACKAGE): path for path in PACKAGE.rglob("*.py")}


def imports(path: Path, *, run: bool = False) -> set[str]:
    """Return the names of the modules that a module imports; with `run` not those for types."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if run and id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= named & MODULES.keys() or {node.module}
    return found


def room(name: str) -> list[str]:
    return [each for each in MODULES if each == name or each.startswith(f"{name}.")]


def ours(module: str) -> set[str]:
    return {name for name in imports(MODULES[module]) if name.partition(".")[0] == "terminator"}


@pytest.mark.parametrize("module", sorted([*room("terminator.decide"), *room("terminator.config")]))
def test_the_decision_imports_only_the_standard_library_and_what_is_pure(module: str) -> None:
    pure = {"terminator.model", "terminator.version", "terminator.text"}
    pure |= {*room("terminator.config"), *room("terminator.decide")}
    assert ours(module) <= pure
    others = {name.partition(".")[0] for name in imports(MODULES[module]) - ours(module)}
    assert others <= sys.stdlib_module_names - IMPURE_STDLIB


@pytest.mark.parametrize("module", ["terminator.model", "terminator.version", "terminator.text"])
def test_what_the_decision_rests_on_imports_no_other_room(module: str) -> None:
    assert ours(module) <= {"terminator.model", "terminator.version", "terminator.text"}


@pytest.mark.parametrize("one", ["observe", "decide", "terminate"])
def test_observe_decide_and_terminate_import_none_of_each_other(one: str) -> None:
    others = {"observe", "decide", "terminate"} - {one}
    for module in room(f"terminator.{one}"):
        assert not [name for name in ours(module) if name.split(".")[1] in others]


def test_only_the_entry_points_import_powertools() -> None:
    importers = {
        name
        for name, path in MODULES.items()
        if any(each.startswith("aws_lambda_powertools") for each in imports(path))
    }
    assert importers == {"terminator.handlers", "terminator.probe.handler"}


def test_the_command_line_and_the_functions_do_without_the_cdk_which_takes_seconds() -> None:
    cli = Path(terminator_cli.__file__).parent
    assert not [
        path
        for path in (*cli.rglob("*.py"), *MODULES.values())
        if any(name.startswith(("aws_cdk", "infra")) for name in imports(path))
    ]


def test_the_functions_import_nothing_of_the_command_line() -> None:
    assert not [n for n, path in MODULES.items() if any("_cli" in each for each in imports(path))]


def test_the_probe_runs_without_boto3_and_powertools() -> None:
    seen: set[str] = set()
    waiting = {"terminator.probe.handler"}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        names = imports(MODULES[module], run=True)
        assert not any(name.startswith(("boto", "aws_lambda")) for name in names), module
        waiting |= {name for name in names if name in MODULES} - seen
