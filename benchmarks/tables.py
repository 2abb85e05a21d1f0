"""Tables as Markdown, and the page that they are written to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "development" / "performance.md"
_BEGIN: Final = "<!-- make bench writes from here -->"
_END: Final = "<!-- to here -->"


@dataclass(frozen=True)
class Table:
    """A table with a title, a note under it, and texts in rows."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.heads, ["---"] * len(self.heads), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {self.title}\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")


def write(tables: Iterable[Table], preface: str, page: Path = PAGE) -> None:
    """Put the tables between the page's marks; what stands around them stays."""
    text = page.read_text(encoding="utf-8")
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise ValueError(f"{page} has no place for tables: {_BEGIN} and {_END}, once each")
    new = "\n".join([_BEGIN, "", preface, "", *map(str, tables)])
    pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{new}\n{_END}", text), encoding="utf-8")


def ms(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{seconds * 1000:,.0f}" if seconds >= 0.01 else f"{seconds * 1000:.2f}"  # noqa: PLR2004
