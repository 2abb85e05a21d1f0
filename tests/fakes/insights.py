"""As much of CloudWatch Logs Insights as our queries use, over log lines in memory.

No local AWS runs such queries, so this stands in: written after AWS's pages on each command and
function, strict about what it does not know, and no proof that AWS reads a query the same way.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Row = dict[str, Any]
Value = Callable[[Row], Any]
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
MOST_FIELDS: Final = 200
_DEFAULT_LIMIT: Final = 10_000

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>"[^"]*")|(?P<regex>/(?:[^/\\]|\\.)+/)|(?P<number>\d+(?![\w.]))"""
    r"""|(?P<span>\d+[mhd]\b)|(?P<name>@?[A-Za-z_][\w.@]*)|(?P<sign>!=|>=|<=|[=<>(),*]))"""
)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class QueryError(ValueError):
    """A query that is not understood here."""


def ask(query: str, lines: Iterable[tuple[datetime, str]]) -> list[Row]:
    """Return the rows that a query makes of log lines, each with the fields that are shown."""
    rows = [discovered(when, text) for when, text in lines]
    shown: list[str] = []
    for command, rest in commands(query):
        rows, shown = _COMMANDS[command](rows, shown, _Reader(rest, query))
    return [{name: _get(row, name) for name in shown} for row in rows[:_DEFAULT_LIMIT]]


def commands(query: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a query and what follows its name."""
    text = "\n".join(line for line in query.splitlines() if not line.lstrip().startswith("#"))
    for part in re.split(r"\|(?=\s*[a-z]+\s)", text):
        name, _, rest = part.strip().partition(" ")
        if name not in _COMMANDS:
            raise QueryError(f"no command {name!r} in {query!r}")
        yield name, rest


def discovered(when: datetime, text: str) -> Row:
    """Return a log line as a row: its JSON flattened, and no more than the first 200 fields."""
    flat = list(_flattened("", json.loads(text)))[:MOST_FIELDS]
    return {"@timestamp": when, "@message": text, **dict(flat)}


def _flattened(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    children: Iterable[tuple[Any, Any]]
    match value:
        case dict():
            children = value.items()
        case list():
            children = enumerate(value)
        case _:
            yield path, value
            return
    for name, child in children:
        yield from _flattened(f"{path}.{name}" if path else str(name), child)


def _get(row: Mapping[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    root, _, rest = name.partition(".")
    return _get(row[root], rest) if rest and isinstance(row.get(root), dict) else None


class _Reader:
    """The words of a command, read one after the other."""

    def __init__(self, text: str, query: str) -> None:
        self._query, self.text = query, text
        self._words: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise QueryError(f"{text[position:]!r} in {query!r}")
            position, kind = match.end(), str(match.lastgroup)
            self._words.append((kind, match[kind]))

    def peek(self) -> str:
        return self._words[0][1] if self._words else ""

    def take(self, *accepted: str) -> str:
        """Return the next word, which must be of a kind, or be one of the words, accepted."""
        kind, word = self._words.pop(0) if self._words else ("end", "")
        if accepted and kind not in accepted and word not in accepted:
            raise QueryError(f"{word!r} where {accepted} in {self._query!r}")
        return word

    def skip(self, word: str) -> bool:
        """Say whether the next word is this one, and pass it."""
        found = self.peek() == word
        if found:
            self.take()
        return found

    def end(self) -> None:
        if self._words:
            raise QueryError(f"{self._words} left over in {self._query!r}")


def _listed(reader: _Reader, one: Callable[[_Reader], Any]) -> list[Any]:
    found = [one(reader)]
    while reader.skip(","):
        found.append(one(reader))
    return found


def _named(reader: _Reader) -> tuple[str, Value]:
    """Read a field, or a function of one, with the name that it is given."""
    name = reader.take("name")
    value: Value = lambda row: _get(row, name)  # noqa: E731 - replaced below
    if reader.skip("("):
        value, name = _function(name, reader), f"{name}()"
        reader.take(")")
    return (reader.take("name") if reader.skip("as") else name), value


def _function(name: str, reader: _Reader) -> Value:
    if name == "jsonParse":
        of = reader.take("name")
        return lambda row: json.loads(_get(row, of))
    if name == "bin":
        text = reader.take("span")
        span = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        start = datetime(1970, 1, 1, tzinfo=UTC)
        return lambda row: start + (row["@timestamp"] - start) // span * span
    raise QueryError(f"no function {name!r}")


def _fields(rows: list[Row], shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    wanted = _listed(reader, _named)
    reader.end()
    return (
        [{**row, **{name: value(row) for name, value in wanted}} for row in rows],
        [*shown, *(name for name, _ in wanted if name not in shown)],
    )


def _display(rows: list[Row], _shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    return rows, [name for name, _ in _listed(reader, _named)]


def _filter(rows: list[Row], shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    holds = _either(reader)
    reader.end()
    return [row for row in rows if holds(row)], shown


def _either(reader: _Reader) -> Value:
    parts = [_both(reader)]
    while reader.skip("or"):
        parts.append(_both(reader))
    return lambda row: any(part(row) for part in parts)


def _both(reader: _Reader) -> Value:
    parts = [_condition(reader)]
    while reader.skip("and"):
        parts.append(_condition(reader))
    return lambda row: all(part(row) for part in parts)


def _condition(reader: _Reader) -> Value:
    name = reader.take("name")
    if name == "ispresent":
        reader.take("(")
        of = reader.take("name")
        reader.take(")")
        return lambda row: _get(row, of) is not None
    sign = reader.take("=", "!=", ">", "like")
    if sign == "like":
        pattern = re.compile(reader.take("regex")[1:-1])
        return lambda row: (
            _get(row, name) is not None and bool(pattern.search(str(_get(row, name))))
        )
    text = reader.take("string", "number")
    if sign == ">":
        return lambda row: _get(row, name) is not None and float(_get(row, name)) > float(text)
    wanted = text.strip('"')
    return lambda row: (str(_get(row, name)) == wanted) == (sign == "=")


_AGGREGATES: Final[Mapping[str, Callable[[list[tuple[datetime, Any]]], Any]]] = {
    "latest": lambda seen: max(seen, key=lambda each: each[0])[1] if seen else None,
    "min": lambda seen: min((value for _, value in seen), default=None),
    "max": lambda seen: max((value for _, value in seen), default=None),
    "count": len,
}


def _aggregate(reader: _Reader) -> tuple[str, str, str]:
    function = reader.take(*_AGGREGATES)
    reader.take("(")
    of = reader.take("name", "*")
    reader.take(")")
    reader.take("as")
    return reader.take("name"), function, of


def _stats(rows: list[Row], _shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    aggregates = _listed(reader, _aggregate)
    keys = _listed(reader, _named) if reader.skip("by") else []
    reader.end()
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(value(row) for _, value in keys), []).append(row)
    names = [name for name, _ in keys]
    made = [
        {**dict(zip(names, key, strict=True)), **_aggregated(aggregates, of)}
        for key, of in groups.items()
    ]
    return made, [*names, *(name for name, _, _ in aggregates)]


def _aggregated(aggregates: list[tuple[str, str, str]], rows: list[Row]) -> Row:
    def seen(of: str) -> list[tuple[datetime, Any]]:
        values = ((row["@timestamp"], 1 if of == "*" else _get(row, of)) for row in rows)
        return [(when, value) for when, value in values if value is not None]

    return {name: _AGGREGATES[function](seen(of)) for name, function, of in aggregates}


def _sort(rows: list[Row], shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    keys = _listed(reader, lambda r: (r.take("name"), r.take("asc", "desc")))
    reader.end()
    for name, order in reversed(keys):
        if not all(name in row for row in rows):
            raise QueryError(f"sorted by {name!r}, which not every row has")
        rows = sorted(rows, key=lambda row: row[name], reverse=order == "desc")
    return rows, shown


def _limit(rows: list[Row], shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    most = int(reader.take("number"))
    reader.end()
    return rows[:most], shown


def _parse(rows: list[Row], shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    """Parse by a glob: each `*` is a field, in order; a line that does not match has none."""
    of, glob = reader.take("name"), reader.take("string")[1:-1]
    reader.take("as")
    names = _listed(reader, lambda r: r.take("name"))
    reader.end()
    end = "$" if glob.endswith("*") else ""
    pattern = re.compile("(.*?)".join(map(re.escape, glob.split("*"))) + end)
    found = [(row, pattern.search(str(_get(row, of)))) for row in rows]
    parsed = [
        {**row, **(dict(zip(names, match.groups(), strict=True)) if match else {})}
        for row, match in found
    ]
    return parsed, [*shown, *names]


def _unnest(rows: list[Row], shown: list[str], reader: _Reader) -> tuple[list[Row], list[str]]:
    of = reader.take("name")
    reader.take("into")
    name = reader.take("name")
    reader.end()
    return [{**row, name: each} for row in rows for each in _get(row, of) or ()], [*shown, name]


_COMMANDS: Final[
    Mapping[str, Callable[[list[Row], list[str], _Reader], tuple[list[Row], list[str]]]]
] = {
    "display": _display,
    "fields": _fields,
    "filter": _filter,
    "limit": _limit,
    "parse": _parse,
    "sort": _sort,
    "stats": _stats,
    "unnest": _unnest,
}
