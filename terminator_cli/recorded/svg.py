"""SVG by plain functions: elements whose text and attributes are escaped."""

from __future__ import annotations

from markupsafe import Markup, escape

Value = str | float


def element(name: str, *children: Markup | str, **attributes: Value | None) -> Markup:
    """Return an element; children that are not markup are escaped, attributes always.

    `class_` stands for `class`, `stroke_width` for `stroke-width`; numbers have at most one
    decimal; None leaves an attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(map(escape, children))
    return Markup(f"<{name}{written}>{inside}</{name}>")  # noqa: S704 - all of it is escaped


def text(words: str, x: float, y: float, class_: str = "", anchor: str | None = None) -> Markup:
    """Return text with its baseline at y; the anchor is `middle` or `end`."""
    return element("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return element("path", d=f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}", class_=class_)


def picture(name: str, title: str, description: str, size: tuple[int, int], body: Markup) -> Markup:
    """Return a picture with its title and description; `name` begins their ids."""
    width, height = size
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        body,
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _value(value: Value) -> str:
    return value if isinstance(value, str) else number(value)
