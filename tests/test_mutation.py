"""What `make mutants` mutates, and the survivors that are explained."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

import terminator
from tests.mutation import stage, survivors

PACKAGE = Path(terminator.__file__).parent
# mutmut mutates these as they are.
KNOWN = {"classmethod", "staticmethod"}


def test_a_property_is_written_out_as_a_function_that_is_wrapped() -> None:
    source = """\
        class Facts:
            @cached_property
            def spare(self) -> int:
                return 1

            @classmethod
            def parse(cls) -> Facts:
                return cls()
    """
    written = """\
        class Facts:
            def spare_getter(self) -> int:
                return 1
            spare = cached_property(spare_getter)

            @classmethod
            def parse(cls) -> Facts:
                return cls()
    """
    assert stage.written_out(textwrap.dedent(source)) == textwrap.dedent(written)


@pytest.mark.parametrize("module", stage.MODULES)
def test_no_function_is_passed_over_for_its_decorators(module: str) -> None:
    tree = ast.parse(stage.written_out((PACKAGE / f"{module}.py").read_text()))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert {ast.unparse(each) for f in functions for each in f.decorator_list} <= KNOWN


def test_each_explained_change_is_one_to_a_line_that_is_there() -> None:
    for change in survivors.explained():
        removed = [line for line in change.lines.splitlines() if line.startswith("- ")]
        source = (PACKAGE / f"{change.module}.py").read_text()
        assert removed
        assert all(line.removeprefix("- ") in source for line in removed)
        assert f"def {change.function.rpartition('.')[2]}(" in source
