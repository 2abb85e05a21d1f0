"""What a dashboard's body must look like, by AWS's page, as far as ours goes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
A property that is not listed here is a problem: CloudWatch shows the widget without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

COLUMNS: Final = 24
_MOST_WIDGETS: Final = 500
_MOST_METRICS: Final = 500
_STATISTICS: Final = re.compile(r"SampleCount|Average|Sum|Minimum|Maximum|p\d{1,2}(\.\d+)?")
_RELATIVE: Final = re.compile(r"-P(T\d+[HM]|\d+[DWM])")
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_LOG_VIEWS: Final = {"table", "timeSeries", "bar", "pie"}
_METRIC_VIEWS: Final = {"timeSeries", "bar", "pie", "singleValue", "gauge", "table"}
_METRIC_OPTIONS: Final = {"color", "label", "period", "stat", "visible", "yAxis", "id", "region"}
_EXPRESSION_OPTIONS: Final = {"expression", "label", "id", "color", "period", "region", "visible"}

Widget = Mapping[str, Any]


def problems(body: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a dashboard's body."""
    return list(_problems(body))


def _problems(body: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown("body", body, {"widgets", "start", "end", "periodOverride"})
    if "start" in body and not _RELATIVE.fullmatch(body["start"]):
        yield f"start {body['start']}"
    widgets = body["widgets"]
    if len(widgets) > _MOST_WIDGETS:
        yield f"{len(widgets)} widgets"
    for widget in widgets:
        yield from _placed(widget)
        if widget["type"] in _KINDS:
            yield from _KINDS[widget["type"]](widget["properties"])
        else:
            yield f"a widget of type {widget['type']}"
    yield from _overlaps(widgets)


def _unknown(what: str, given: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    yield from (f"{what} has {name}" for name in sorted(given.keys() - known))


def _placed(widget: Widget) -> Iterator[str]:
    yield from _unknown("widget", widget, {"type", "x", "y", "width", "height", "properties"})
    numbers = {name: widget.get(name) for name in ("x", "y", "width", "height")}
    if not all(isinstance(number, int) for number in numbers.values()):
        yield f"a widget at {numbers}"
        return
    x, y, width, height = (int(widget[name]) for name in numbers)
    across = 0 <= x < COLUMNS and 1 <= width <= COLUMNS and x + width <= COLUMNS
    if not (across and y >= 0 and 1 <= height <= 1000):
        yield f"a widget at {numbers}"


def _overlaps(widgets: list[Widget]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for widget in widgets:
        title = str(widget["properties"].get("title", widget["type"]))
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                if (x, y) in taken:
                    yield f"{title} over {taken[x, y]}"
                    return
                taken[x, y] = title


def _text(properties: Widget) -> Iterator[str]:
    yield from _unknown("text", properties, {"markdown", "background"})
    if not properties.get("markdown"):
        yield "text without markdown"


def _alarm(properties: Widget) -> Iterator[str]:
    yield from _unknown("alarm", properties, {"alarms", "sortBy", "states", "title"})
    alarms = properties.get("alarms", [])
    if not 1 <= len(alarms) <= 100 or not all(_is_arn(arn) for arn in alarms):
        yield f"alarms {alarms}"


def _is_arn(text: str) -> bool:
    # As the template writes it, or as it is.
    return re.fullmatch(r"\$\{\w+\.Arn\}|arn:[^:]+:cloudwatch:.+:alarm:.+", text) is not None


def _log(properties: Widget) -> Iterator[str]:
    yield from _unknown("log", properties, {"query", "region", "title", "view", "stacked"})
    if not properties.get("region"):
        yield "log without region"
    if properties.get("view", "table") not in _LOG_VIEWS:
        yield f"log view {properties['view']}"
    if not re.match(r"SOURCE '[^']+'( \| SOURCE '[^']+')* \| \S", properties.get("query", "")):
        yield f"log query {properties.get('query')}"


def _metric(properties: Widget) -> Iterator[str]:
    known = {"metrics", "region", "title", "view", "stacked", "stat", "period", "yAxis", "legend"}
    yield from _unknown("metric", properties, known | {"liveData", "annotations", "timezone"})
    if not properties.get("region"):
        yield "metric without region"
    if properties.get("view", "timeSeries") not in _METRIC_VIEWS:
        yield f"metric view {properties['view']}"
    for side, axis in properties.get("yAxis", {}).items():
        yield from _unknown(f"yAxis {side}", axis, {"label", "min", "max", "showUnits"})
        if side not in {"left", "right"}:
            yield f"yAxis {side}"
    metrics = properties.get("metrics", [])
    if not 1 <= len(metrics) <= _MOST_METRICS:
        yield f"{len(metrics)} metrics"
    yield from (problem for metric in metrics for problem in _of_metric(metric))


def _of_metric(metric: list[Any]) -> Iterator[str]:
    """Check one entry: namespace, name, pairs of dimensions, and options or an expression."""
    *names, last = metric
    options = last if isinstance(last, dict) else {}
    names = names if isinstance(last, dict) else metric
    if "expression" in options:
        yield from _unknown("expression", options, _EXPRESSION_OPTIONS)
        if names:
            yield f"an expression of {names}"
        return
    yield from _unknown("metric", options, _METRIC_OPTIONS)
    if len(names) < 2 or len(names) % 2 or not all(isinstance(n, str) and n for n in names):
        yield f"metric {names}"
    if not _STATISTICS.fullmatch(options.get("stat", "Average")):
        yield f"stat {options['stat']}"
    if not _COLOR.fullmatch(options.get("color", "#000000")):
        yield f"color {options['color']}"
    period = options.get("period", 300)
    if not isinstance(period, int) or period < 60 or period % 60:
        yield f"period {period}"


_KINDS: Final[Mapping[str, Callable[[Widget], Iterator[str]]]] = {
    "alarm": _alarm,
    "log": _log,
    "metric": _metric,
    "text": _text,
}
