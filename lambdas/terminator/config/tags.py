"""The policy of a group: defaults, overridden by the group's own tags."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from terminator.config import values as settings
from terminator.config.values import Amount, Scheme
from terminator.config.window import Window
from terminator.text import quoted

TAG_PREFIX: Final = "terminator:"
ENABLED_TAG: Final = "terminator:enabled"

_HALF: Final = Amount(50, percent=True)
_QUARTER: Final = Amount(25, percent=True)


@dataclass(frozen=True)
class Policy:
    """What a team wants for its group; `problems` are the settings that could not be read.

    Where there are problems the other fields mean nothing: the group is held.
    """

    app: str
    minimum: Amount = _HALF
    max_unavailable: Amount = _QUARTER
    scheme: Scheme = "http"
    port: int = 80
    path: str = "/version"
    host: str | None = None
    version_field: str = "version"
    pause: str | None = None
    bake_time: timedelta = timedelta(0)
    canary_retry: timedelta = timedelta(minutes=30)
    window: Window | None = None
    alarms: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def minimum_of(self, desired: int) -> int:
        """Return how many must stay available; percentages are rounded up."""
        return self.minimum.rounded_up(desired)

    def max_unavailable_of(self, desired: int) -> int:
        """Return how many may be out at once; percentages are rounded down, at least 1."""
        return max(1, self.max_unavailable.rounded_down(desired))


class SettingError(ValueError):
    """A setting that cannot be read; the message names it, its text and what is accepted."""


@dataclass(frozen=True)
class _Setting:
    read: Callable[[str], object]
    accepted: str


def _window(text: str) -> Window | None:
    return None if text == "always" else Window.parse(text)


_SETTINGS: Final[Mapping[str, _Setting]] = {
    "app": _Setting(settings.app, "letters, digits, '-', '_' and '.', such as web"),
    "minimum": _Setting(
        settings.amount, "a number such as 2 or a percentage of desired such as 50%"
    ),
    "max_unavailable": _Setting(
        settings.positive_amount,
        "a number from 1, such as 2, or a percentage of desired such as 25%",
    ),
    "scheme": _Setting(settings.scheme, "http or https"),
    "port": _Setting(settings.port, "a number from 1 to 65535"),
    "path": _Setting(settings.path, "a URL path that starts with one /, such as /version"),
    "host": _Setting(settings.host, "a host name, such as www.example.com"),
    "version_field": _Setting(
        settings.version_field, "a dotted path into the JSON body, such as build.version"
    ),
    "pause": _Setting(str, "any text"),
    "bake_time": _Setting(settings.duration, "a duration such as 90s, 10m or 2h, at most 30d"),
    "canary_retry": _Setting(
        settings.positive_duration, "a duration from 1m, such as 30m or 2h, at most 30d"
    ),
    "window": _Setting(
        _window, "always, or days, hours and zone: Mon-Fri 09:00-17:00 Europe/London"
    ),
    "alarms": _Setting(settings.alarms, "names of CloudWatch alarms, separated by spaces"),
}
_NAMES: Final = {TAG_PREFIX + name.replace("_", "-"): name for name in _SETTINGS}


def defaults(texts: Mapping[str, object], where: str = "policy") -> Policy:
    """Return the policy that a deployment's configuration sets for every group.

    `texts` maps names of settings (`canary_retry`) to text, or to whole numbers. Raise
    SettingError for one that does not exist, cannot be read, or belongs to one group only.
    """
    values: dict[str, object] = {}
    for name, value in texts.items():
        if name not in _SETTINGS or name == "app":
            known = ", ".join(other for other in _SETTINGS if other != "app")
            raise SettingError(f"{where}.{quoted(name)[1:-1]}: unknown; accepted are {known}")
        number = isinstance(value, int) and not isinstance(value, bool)
        shown = value if isinstance(value, str) else json.dumps(value)
        text = shown if number or isinstance(value, str) else None
        values[name] = _read(f"{where}.{name}", name, text, shown)
    return replace(Policy(app=""), **values)  # type: ignore[arg-type]


def for_group(name: str, tags: Mapping[str, str], base: Policy, *, named: bool) -> Policy:
    """Return the policy of the group `name`: `base`, overridden by its `terminator:` tags.

    `named` says that the configuration names the group, so that it needs no `enabled` tag.
    What cannot be read is kept in `problems`, each naming the tag, its text and what is
    accepted: an unknown `terminator:` tag too, since a typing error must not mean a default,
    and an `enabled` that does not say `true`.
    """
    values: dict[str, object] = {"app": name}
    problems: list[str] = []
    if not named and ENABLED_TAG not in tags:
        problems.append(f"tag {ENABLED_TAG} is missing; accepted is true")
    for tag, text in sorted(_own(tags)):
        try:
            values |= _from_tag(tag, text)
        except SettingError as error:
            problems.append(str(error))
    return replace(base, **values, problems=tuple(problems))  # type: ignore[arg-type]


def _own(tags: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return ((tag, text) for tag, text in tags.items() if tag.lower().startswith(TAG_PREFIX))


def _from_tag(tag: str, text: str) -> Mapping[str, object]:
    if tag == ENABLED_TAG:
        if text != "true":
            raise SettingError(f"tag {tag} says {quoted(text)}; accepted is true")
        return {}
    name = _NAMES.get(tag)
    if name is None:
        known = ", ".join([ENABLED_TAG, *_NAMES])
        raise SettingError(f"unknown tag {quoted(tag)}; known are {known}")
    return {name: _read(f"tag {tag}", name, text, text)}


def _read(where: str, name: str, text: str | None, shown: str) -> object:
    setting = _SETTINGS[name]
    try:
        if text is not None:
            return setting.read(text)
    except ValueError:
        pass
    raise SettingError(f"{where} says {quoted(shown)}; accepted is {setting.accepted}")
