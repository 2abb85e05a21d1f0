"""The copy of the project that mutmut works in, so that nothing is mutated in place."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import libcst as cst

ROOT: Final = Path(__file__).parents[2]
STAGE: Final = ROOT / "mutants"
PACKAGE: Final = ROOT / "lambdas" / "terminator"
_CONFIGURED: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
# As they are named within the package: `decide.plan`.
MODULES: Final = tuple(
    name.removeprefix("src/terminator/").removesuffix(".py").replace("/", ".")
    for name in _CONFIGURED["only_mutate"]
)
# The name of the function that a property is written out as.
GETTER: Final = "_getter"
_PROPERTIES: Final = frozenset({"property", "cached_property"})


def build() -> None:
    """Copy the project to STAGE, afresh."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for path in PACKAGE.rglob("*.py"):
        copy = STAGE / "src" / "terminator" / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(written_out(path.read_text()))
    for name in ("tests", *_CONFIGURED["also_copy"]):
        shutil.copytree(ROOT / name, STAGE / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", STAGE)


def path_of(module: str) -> Path:
    """Return the file of a module of the package."""
    return PACKAGE / f"{module.replace('.', '/')}.py"


@cache
def written_out(source: str) -> str:
    """Return the module with each property as a plain method, wrapped on a line of its own.

    mutmut passes over decorated functions, and most of the facts are properties.
    """
    return cst.parse_module(source).visit(_WriteOut()).code


class _WriteOut(cst.CSTTransformer):
    def leave_IndentedBlock(  # noqa: N802 - libcst's name
        self,
        original_node: cst.IndentedBlock,  # noqa: ARG002 - libcst passes both
        updated_node: cst.IndentedBlock,
    ) -> cst.IndentedBlock:
        return updated_node.with_changes(body=list(_statements(updated_node.body)))


def _statements(body: Sequence[cst.BaseStatement]) -> Iterator[cst.BaseStatement]:
    for statement in body:
        wrapper = _wrapper(statement)
        if wrapper is None or not isinstance(statement, cst.FunctionDef):
            yield statement
            continue
        name = statement.name.value
        yield statement.with_changes(name=cst.Name(name + GETTER), decorators=[])
        yield cst.parse_statement(f"{name} = {wrapper}({name}{GETTER})")


def _wrapper(statement: cst.BaseStatement) -> str | None:
    match statement:
        case cst.FunctionDef(decorators=[cst.Decorator(decorator=cst.Name(value=name))]):
            return name if name in _PROPERTIES else None
        case _:
            return None
