"""What is changed to see whether tests, or the search alone, notice it."""

from __future__ import annotations

import ast
import textwrap

import pytest

from tests.mutation import search_alone, stage, survivors

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
    tree = ast.parse(stage.written_out(stage.path_of(module).read_text()))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert {ast.unparse(each) for f in functions for each in f.decorator_list} <= KNOWN


def test_each_explained_change_is_one_to_a_line_that_is_there() -> None:
    for change in survivors.explained():
        removed = [line for line in change.lines.splitlines() if line.startswith("- ")]
        source = stage.path_of(change.module).read_text()
        assert removed
        assert all(line.removeprefix("- ") in source for line in removed)
        assert f"def {change.function.rpartition('.')[2]}(" in source


def test_a_sample_is_the_same_for_a_seed_and_another_for_another() -> None:
    drawn = [search_alone.sample(5, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_sample_changes_one_place_and_says_which() -> None:
    for change in search_alone.sample(5, 0):
        where, *lines = change.lines
        assert where.startswith("decide/")
        assert lines
        assert all(line.startswith(("- ", "+ ")) for line in lines)


def test_the_search_runs_on_the_changed_module() -> None:
    change = search_alone.Change("decide/plan.py", "", 'raise ValueError("changed")')
    assert search_alone.noticed(change) == "it crashes: ValueError: changed"
