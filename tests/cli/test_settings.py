"""What commands read as their settings."""

from __future__ import annotations

import json
from pathlib import Path

from terminator_cli import settings

DOCUMENT = json.dumps({"context": {"terminator": {"groups": {"tagged": True}}}})


def test_settings_that_begin_with_a_byte_order_mark_are_those_without_it(tmp_path: Path) -> None:
    bare, marked = tmp_path / "bare.json", tmp_path / "marked.json"
    bare.write_text(DOCUMENT, encoding="utf-8")
    marked.write_text(DOCUMENT, encoding="utf-8-sig")
    assert settings.read(marked) == settings.read(bare)
