"""Reading a page as a browser would: a tree of its elements, and its colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

# https://html.spec.whatwg.org/multipage/syntax.html#void-elements
VOID: Final = frozenset({"meta", "link", "br", "hr", "img", "input", "base"})


_INLINE: Final = frozenset({"a", "code", "span", "time"})


@dataclass
class Element:
    """An element: its name, its attributes, and what is in it, in order."""

    name: str
    attributes: dict[str, str]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        """The elements directly in it."""
        return [part for part in self.parts if isinstance(part, Element)]

    def all(self, *names: str) -> Iterator[Element]:
        """Yield what lies in it, of these names if any, in order."""
        for child in self.children:
            if not names or child.name in names:
                yield child
            yield from child.all(*names)

    @property
    def text(self) -> str:
        """All text in it, with a space around cells and the like, spaces made one."""
        return " ".join(self._written().split())

    def _written(self) -> str:
        inside = "".join(e if isinstance(e, str) else e._written() for e in self.parts)  # noqa: SLF001 - its own
        return inside if self.name in _INLINE else f" {inside} "


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} says something twice: {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag, f"</{tag}> closes another"

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def read(page: str) -> Element:
    """Return the page's html element; fail where elements are not nested properly."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, f"{reader.open[-1].name} is never closed"
    [html] = reader.open[0].children
    return html


def palette(style: str, scheme: str) -> dict[str, str]:
    """Return the colours by variable that a stylesheet sets for `light` or `dark`."""
    sets = re.findall(r":root\{([^}]*)\}", style)
    chosen = sets[0 if scheme == "light" else 1]
    return dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", chosen))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
