"""The settings that docs/images.md starts with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def by_image() -> dict[str, Any]:
    """Return the settings that the page about deploying by image starts with."""
    page = Path(__file__).parents[2] / "docs" / "images.md"
    found = re.search(r"```json\n(.+?)\n```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read
