"""The policy of a group: what the deployment says, overridden by the group's own tags.

A setting has one name: that of its tag without the prefix (`max-unavailable`). The policy of
the deployment, in `cdk.json`, takes the same names, and `_` for `-` in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Final

from terminator.config import values
from terminator.config.values import Amount, Scheme, Window
from terminator.text import quoted

TAG_PREFIX: Final = "terminator:"
ENABLED_TAG: Final = "terminator:enabled"

_HALF: Final = Amount(50, percent=True)
_QUARTER: Final = Amount(25, percent=True)


class SettingError(ValueError):
    """A setting that cannot be read; the message names it, its text and what is accepted."""


@dataclass(frozen=True)
class Policy:
    """What a team wants for its group; `problems` are the settings that could not be read.

    Where there are problems the other fields mean nothing: the group is held.
    """

    app: str
    minimum: Amount | None = None
    max_unavailable: Amount = _QUARTER
    scheme: Scheme = "http"
    port: int = 80
    path: str = "/version"
    host: str | None = None
    version_field: str = "version"
    pause: str | None = None
    bake_time: timedelta = timedelta(minutes=10)
    warm_up: timedelta | None = None
    canary_retry: timedelta = timedelta(minutes=30)
    window: Window | None = None
    alarm: str | None = None
    alarms: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def alarm_names(self) -> tuple[str, ...]:
        """The names of all alarms that hold the group, each once."""
        named = (self.alarm,) if self.alarm else ()
        return tuple(dict.fromkeys((*named, *self.alarms)))

    def minimum_of(self, desired: int, healthy_percentage: int | None = None) -> int:
        """Return how many must stay available; percentages are rounded up.

        Where the policy does not say, it is `healthy_percentage`, that of the group's instance
        maintenance policy, else half of them.
        """
        if self.minimum is not None:
            return self.minimum.rounded_up(desired)
        default = _HALF if healthy_percentage is None else Amount(healthy_percentage, percent=True)
        return default.rounded_up(desired)

    def max_unavailable_of(self, desired: int) -> int:
        """Return how many may be out at once; percentages are rounded down, at least 1."""
        return max(1, self.max_unavailable.rounded_down(desired))


@dataclass(frozen=True)
class _Setting:
    """How the text of a setting is read, and what a refusal says is accepted."""

    read: Callable[[str], object]
    accepted: str


# By name; the field of Policy has `_` for `-`.
_SETTINGS: Final[Mapping[str, _Setting]] = {
    "app": _Setting(values.app, "letters, digits, '-', '_' and '.', such as web"),
    "minimum": _Setting(values.amount, "a number such as 2 or a percentage of desired such as 50%"),
    "max-unavailable": _Setting(
        values.positive_amount, "a number from 1, such as 2, or a percentage of desired such as 25%"
    ),
    "scheme": _Setting(values.scheme, "http or https"),
    "port": _Setting(values.port, "a number from 1 to 65535"),
    "path": _Setting(values.path, "a URL path that starts with one /, such as /version"),
    "host": _Setting(values.host, "a host name, such as www.example.com"),
    "version-field": _Setting(
        values.version_field, "a dotted path into the JSON body, such as build.version"
    ),
    "pause": _Setting(str, "any text"),
    "bake-time": _Setting(values.duration, "a duration such as 90s, 10m or 2h, at most 30d"),
    "warm-up": _Setting(values.duration, "a duration such as 90s, 10m or 2h, at most 30d"),
    "canary-retry": _Setting(
        values.positive_duration, "a duration from 1m, such as 30m or 2h, at most 30d"
    ),
    "window": _Setting(
        values.window, "always, or days, hours and zone: Mon-Fri 09:00-17:00 Europe/London"
    ),
    "alarm": _Setting(values.alarm, "the name of a CloudWatch alarm, spaces and all"),
    "alarms": _Setting(values.alarms, "names of CloudWatch alarms, separated by spaces"),
}
# Names that are refused, with the name to write instead.
_RENAMED: Final = {"batch": "max-unavailable", "soak": "bake-time"}


def defaults(texts: Mapping[str, object]) -> Policy:
    """Return the policy that a deployment's configuration sets for every group.

    `texts` maps the names of settings to text, or to whole numbers. Raise SettingError for one
    that does not exist, cannot be read, is given twice, or belongs to one group only.
    """
    read: dict[str, object] = {}
    known = [name for name in _SETTINGS if name != "app"]
    for written, value in texts.items():
        name = written.replace("_", "-")
        where, field = f"policy.{quoted(name)[1:-1]}", name.replace("-", "_")
        if name not in known:
            raise SettingError(f"{where}: unknown; {known_names(name, known)}")
        if field in read:
            raise SettingError(f"{where} is given twice: once with - and once with _")
        number = isinstance(value, int) and not isinstance(value, bool)
        shown = value if isinstance(value, str) else json.dumps(value)
        text = shown if number or isinstance(value, str) else None
        read[field] = _read(where, name, text, shown)
    return replace(Policy(app=""), **read)  # type: ignore[arg-type]


def for_group(name: str, tags: Mapping[str, str], base: Policy, *, named: bool) -> Policy:
    """Return the policy of the group `name`: `base`, overridden by its `terminator:` tags.

    `named` says that the configuration names the group, so that it needs no `enabled` tag.
    What cannot be read is kept in `problems`, each naming the tag, its text and what is
    accepted: an unknown `terminator:` tag too, since a typing error must not mean a default,
    and an `enabled` that does not say `true`.
    """
    read: dict[str, object] = {"app": name}
    problems: list[str] = []
    if not named and ENABLED_TAG not in tags:
        problems.append(f"tag {ENABLED_TAG} is missing; accepted is true")
    for tag, text in sorted(tags.items()):
        setting = tag[len(TAG_PREFIX) :]
        if not tag.lower().startswith(TAG_PREFIX) or (tag, text) == (ENABLED_TAG, "true"):
            continue
        if tag == ENABLED_TAG:
            problems.append(f"tag {tag} says {quoted(text)}; accepted is true")
        elif tag != TAG_PREFIX + setting or setting not in _SETTINGS:
            known = known_names(setting, ["enabled", *_SETTINGS], prefix=TAG_PREFIX)
            problems.append(f"unknown tag {quoted(tag)}; {known}")
        else:
            try:
                read[setting.replace("-", "_")] = _read(f"tag {tag}", setting, text, text)
            except SettingError as error:
                problems.append(str(error))
    return replace(base, **read, problems=tuple(problems))  # type: ignore[arg-type]


def known_names(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return what to say of a name that is not known: the name that was meant, and all.

    `prefix` stands before each name that is shown.
    """
    names = list(known)
    renamed = _RENAMED.get(name)
    nearest = get_close_matches(name.lower(), names, n=1)
    if renamed in names:
        hint = f"write {prefix}{renamed} instead; "
    else:
        hint = f"did you mean {prefix}{nearest[0]}? " if nearest else ""
    return f"{hint}accepted are {', '.join(prefix + each for each in names)}"


def _read(where: str, name: str, text: str | None, shown: str) -> object:
    """Return the value of a setting; raise SettingError, as for any text that is None."""
    setting = _SETTINGS[name]
    try:
        if text is not None:
            return setting.read(text)
    except ValueError:
        pass
    raise SettingError(f"{where} says {quoted(shown)}; accepted is {setting.accepted}")
