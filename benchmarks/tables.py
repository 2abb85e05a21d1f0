"""Tables as Markdown, and the pages that they are written to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PERFORMANCE: Final = _DOCS / "development" / "performance.md"
COSTS: Final = _DOCS / "costs.md"
BEGIN: Final = "<!-- make bench writes from here -->"
END: Final = "<!-- to here -->"


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


def write(tables: Iterable[Table], page: Path = PERFORMANCE, *, alone: bool = False) -> None:
    """Put tables between the page's marks, in place of those of the same titles.

    What stands around the marks stays, and so do other tables between them, unless `alone`.
    """
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} has no place for tables: {BEGIN} and {END}, once each")
    before, _, rest = text.partition(BEGIN)
    within, _, after = rest.partition(END)
    parts = [] if alone else re.split(r"(?m)^(?=### )", within.strip("\n"))
    sections = {part.partition("\n")[0]: part.strip("\n") for part in parts if part}
    sections |= {f"### {table.title}": str(table).strip("\n") for table in tables}
    body = "\n\n".join(sections.values())
    page.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")


def ms(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{seconds * 1000:,.0f}" if seconds >= 0.01 else f"{seconds * 1000:.2f}"  # noqa: PLR2004
