"""The policy of a group: what the deployment says, overridden by the group's own tags.

A setting has one name: that of its tag without the prefix (`max-unavailable`). The policy of
the deployment, in `cdk.json`, takes the same names, and `_` for `-` in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from terminator.config import values
from terminator.config.values import Amount, Followed, Scheme, Window
from terminator.text import quoted
from terminator.version import Order

TAG_PREFIX: Final = "terminator:"
ENABLED_TAG: Final = "terminator:enabled"
# On an instance, not on a group: from when on it is due to be replaced.
REPLACE_AFTER_TAG: Final = "terminator:replace-after"
# On a version of a zip, not on a group: when it was taken back.
WITHDRAWN_TAG: Final = "terminator:withdrawn"

_HALF: Final = Amount(50, percent=True)
_QUARTER: Final = Amount(25, percent=True)
# A quarter of two thousand instances: no fleet waits for it, but a mistake does.
_MOST_TERMINATIONS: Final = 500
_HIGHEST_TERMINATIONS: Final = 100_000
# So many times `canary-retry` is the longest wait between two tries.
MOST_RETRIES: Final = 32


class SettingError(ValueError):
    """A setting that cannot be read; the message names it, its text and what is accepted."""


@dataclass(frozen=True)
class Limits:
    """What the deployment allows at most, whatever the tags of its groups say.

    `minimum` is the lowest that a group may have and `max_unavailable` the highest, each None
    where anything goes. `terminations` is how many instances a run may terminate, in all groups
    together. `tags` are the settings that tags may set, None where that is all of them.
    """

    minimum: Amount | None = None
    max_unavailable: Amount | None = None
    terminations: int = _MOST_TERMINATIONS
    tags: frozenset[str] | None = None


@dataclass(frozen=True)
class Policy:
    """What a team wants for its group; `problems` are the settings that could not be read.

    Where there are problems the other fields mean nothing: the group is held. `order` is how the
    app's releases are ordered, which no tag says. `limits` are the deployment's, which win over
    what the group wants.
    """

    app: str
    order: Order = "version"
    minimum: Amount | None = None
    max_unavailable: Amount = _QUARTER
    scheme: Scheme = "http"
    port: int = 80
    path: str = "/version"
    host: str | None = None
    version_field: str = "version"
    version_header: str | None = None
    version_prefix: str = ""
    version_suffix: str = ""
    pause: str | None = None
    bake_time: timedelta = timedelta(minutes=10)
    warm_up: timedelta | None = None
    canary_retry: timedelta = timedelta(minutes=30)
    window: Window | None = None
    alarm: str | None = None
    alarms: tuple[str, ...] = ()
    follow: frozenset[Followed] = frozenset({"release"})
    images: bool = False
    max_age: timedelta | None = None
    ill: bool = False
    surge: bool = False
    after: tuple[str, ...] = ()
    limits: Limits = Limits()
    problems: tuple[str, ...] = ()

    @property
    def follows_release(self) -> bool:
        """Whether its instances should run its app's release."""
        return "release" in self.follow

    @property
    def may_surge(self) -> bool:
        """Whether it says surge, or tags of a group may."""
        return self.surge or self.limits.tags is None or "surge" in self.limits.tags

    @property
    def follows_template(self) -> bool:
        """Whether its instances should be of what a launch would use now."""
        return "template" in self.follow

    def due_at(self, created: datetime | None, replace_after: datetime | None) -> datetime | None:
        """Return from when on an instance is due to be replaced, None for never.

        `replace_after` is what its tag says: a time before it was created says nothing.
        """
        if created is None:
            return None
        times = [replace_after] if replace_after is not None and replace_after > created else []
        times += [created + self.max_age] if self.max_age is not None else []
        return min(times, default=None)

    def is_due(
        self, created: datetime | None, replace_after: datetime | None, now: datetime
    ) -> bool:
        """Say whether an instance is due to be replaced."""
        at = self.due_at(created, replace_after)
        return at is not None and at <= now

    @property
    def longest_retry(self) -> timedelta:
        """The longest that the next try of what failed again and again has to wait."""
        return MOST_RETRIES * self.canary_retry

    @property
    def alarm_names(self) -> tuple[str, ...]:
        """The names of all alarms that hold the group, each once."""
        named = (self.alarm,) if self.alarm else ()
        return tuple(dict.fromkeys((*named, *self.alarms)))

    def minimum_of(self, desired: int, healthy_percentage: int | None = None) -> int:
        """Return how many must stay available; percentages are rounded up.

        Where the policy does not say, it is `healthy_percentage`, that of the group's instance
        maintenance policy, else half of them. It is never below the deployment's limit.
        """
        lowest = self.limits.minimum.rounded_up(desired) if self.limits.minimum else 0
        return max(lowest, self._minimum_asked(desired, healthy_percentage))

    def max_unavailable_of(self, desired: int) -> int:
        """Return how many may be out at once; percentages are rounded down, at least 1.

        It is never above the deployment's limit.
        """
        asked, highest = self.max_unavailable, self.limits.max_unavailable or self.max_unavailable
        return max(1, min(asked.rounded_down(desired), highest.rounded_down(desired)))

    def held_at(self, desired: int, healthy_percentage: int | None = None) -> tuple[str, ...]:
        """Say for each amount that the deployment's limits hold what was asked and is allowed."""
        said: list[str] = []
        minimum = self.minimum_of(desired, healthy_percentage)
        if (asked := self._minimum_asked(desired, healthy_percentage)) < minimum:
            said.append(f"minimum {asked} asked, {minimum} is the lowest that limits allow")
        most = self.max_unavailable_of(desired)
        if (asked := max(1, self.max_unavailable.rounded_down(desired))) > most:
            said.append(f"max-unavailable {asked} asked, {most} is the highest that limits allow")
        return tuple(said)

    def _minimum_asked(self, desired: int, healthy_percentage: int | None) -> int:
        if self.minimum is not None:
            return self.minimum.rounded_up(desired)
        default = _HALF if healthy_percentage is None else Amount(healthy_percentage, percent=True)
        return default.rounded_up(desired)


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
        values.version_field,
        "a dotted path into the JSON body, such as build.version, or several to join by -, such "
        "as Version+Prerelease, of at most 16 names",
    ),
    "version-header": _Setting(values.header, "the name of a response header, such as X-Version"),
    "version-prefix": _Setting(values.around, "up to 128 printable characters, such as web-"),
    "version-suffix": _Setting(values.around, "up to 128 printable characters, such as -linux"),
    "pause": _Setting(str, "any text"),
    "bake-time": _Setting(values.duration, "a duration such as 90s, 10m or 1h30m, at most 30d"),
    "warm-up": _Setting(values.duration, "a duration such as 90s, 10m or 1h30m, at most 30d"),
    "canary-retry": _Setting(
        values.positive_duration, "a duration from 1m, such as 30m or 2h, at most 30d"
    ),
    "window": _Setting(
        values.window, "always, or days, hours and zone: Mon-Fri 09:00-17:00 Europe/London"
    ),
    "alarm": _Setting(values.alarm, "the name of a CloudWatch alarm, spaces and all"),
    "alarms": _Setting(values.alarms, "names of CloudWatch alarms, separated by spaces"),
    "follow": _Setting(values.follow, "release, template, or both: release template"),
    "images": _Setting(values.flag, "true or false"),
    "max-age": _Setting(values.age, "a duration from 1h to 366d, such as 30d"),
    "ill": _Setting(values.ill, "replace, or ignore"),
    "surge": _Setting(values.surge, "refresh"),
    "after": _Setting(values.apps, "names of other apps, separated by spaces, such as api"),
}
# Settings of one group, which no deployment has for all.
_OF_A_GROUP: Final = frozenset({"app", "after"})
# Names that are refused, with the name to write instead.
_RENAMED: Final = {"batch": "max-unavailable", "soak": "bake-time"}


def defaults(texts: Mapping[str, object]) -> Policy:
    """Return the policy that a deployment's configuration sets for every group.

    `texts` maps the names of settings to text, whole numbers, or true and false. Raise
    SettingError for one that does not exist, cannot be read, is given twice, or belongs to one
    group only.
    """
    read: dict[str, object] = {}
    known = [name for name in _SETTINGS if name not in _OF_A_GROUP]
    for written, value in texts.items():
        name = written.replace("_", "-")
        where, field = f"policy.{quoted(name)[1:-1]}", name.replace("-", "_")
        if name not in known:
            raise SettingError(f"{where}: unknown; {known_names(name, known)}")
        if field in read:
            raise SettingError(f"{where} is given twice: once with - and once with _")
        number = isinstance(value, int) and not isinstance(value, bool)
        shown = value if isinstance(value, str) else json.dumps(value)
        is_flag = isinstance(value, bool) and _SETTINGS[name].read is values.flag
        text = shown if number or is_flag or isinstance(value, str) else None
        read[field] = _read(where, name, text, shown)
    return replace(Policy(app=""), **read)  # type: ignore[arg-type]


def limits(given: Mapping[str, object]) -> Limits:
    """Return the limits that a deployment sets for all its groups; raise SettingError.

    `minimum` and `max-unavailable` are amounts as in a policy, `terminations` is a whole number
    and `tags` a list of names of settings.
    """
    read: dict[str, object] = {}
    for written, value in given.items():
        name = written.replace("_", "-")
        where, shown = f"limits.{quoted(name)[1:-1]}", json.dumps(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name in {"minimum", "max-unavailable"}:
            text = value if isinstance(value, str) else shown if whole else None
            read[name.replace("-", "_")] = _read(where, name, text, text or shown)
        elif name == "terminations":
            if not whole or not 1 <= int(shown) <= _HIGHEST_TERMINATIONS:
                accepted = f"a whole number from 1 to {_HIGHEST_TERMINATIONS}, without quotes"
                raise SettingError(f"{where} says {quoted(shown)}; accepted is {accepted}")
            read[name] = value
        elif name == "tags":
            if not isinstance(value, list) or not all(each in [*_SETTINGS] for each in value):
                accepted = f"{_hint_at_first(value)}accepted is a list of any of"
                known = ", ".join(_SETTINGS)
                raise SettingError(f"{where} says {quoted(shown)}; {accepted} {known}")
            read[name] = frozenset(value)
        else:
            known = known_names(name, ["max-unavailable", "minimum", "tags", "terminations"])
            raise SettingError(f"{where}: unknown; {known}")
    return Limits(**read)  # type: ignore[arg-type]


def for_group(name: str, tags: Mapping[str, str], base: Policy, *, named: bool) -> Policy:
    """Return the policy of the group `name`: `base`, overridden by its `terminator:` tags.

    Its app has its name, unless `base` or a tag says another.

    `named` says that the configuration names the group, so that it needs no `enabled` tag.
    What cannot be read is kept in `problems`, each naming the tag, its text and what is
    accepted: an unknown `terminator:` tag too, since a typing error must not mean a default,
    an `enabled` that does not say `true`, and a setting that the deployment keeps from tags.
    """
    read: dict[str, object] = {"app": base.app or name}
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
        elif base.limits.tags is not None and setting not in base.limits.tags:
            problems.append(f"tag {tag} sets what limits.tags of the deployment keeps from tags")
        else:
            try:
                read[setting.replace("-", "_")] = _read(f"tag {tag}", setting, text, text)
            except SettingError as error:
                problems.append(str(error))
    policy: Policy = replace(base, **read, problems=tuple(problems))  # type: ignore[arg-type]
    if policy.images and "images" in read and not policy.follows_template:
        told = f"tag {TAG_PREFIX}images says true, but {TAG_PREFIX}follow does not name template"
        policy = replace(policy, problems=(*problems, told))
    return policy


def known_names(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return what to say of a name that is not known: the name that was meant, and all.

    `prefix` stands before each name that is shown.
    """
    names = list(known)
    listed = ", ".join(prefix + each for each in names)
    return f"{_hint(name, names, prefix)}accepted are {listed}"


def _hint(name: str, names: Sequence[str], prefix: str = "") -> str:
    renamed = _RENAMED.get(name)
    if renamed in names:
        return f"write {prefix}{renamed} instead; "
    nearest = get_close_matches(name.lower(), names, n=1)
    return f"did you mean {prefix}{nearest[0]}? " if nearest else ""


def _hint_at_first(given: object) -> str:
    """Return the hint at the first name of a list that is no setting's; empty for what is none."""
    listed = given if isinstance(given, list) else []
    unknown = [each for each in listed if isinstance(each, str) and each not in _SETTINGS]
    names = [*_SETTINGS]
    return _hint(unknown[0].removeprefix(TAG_PREFIX), names) if unknown else ""


def _read(where: str, name: str, text: str | None, shown: str) -> object:
    """Return the value of a setting; raise SettingError, as for any text that is None."""
    setting = _SETTINGS[name]
    try:
        if text is not None:
            return setting.read(text)
    except ValueError:
        pass
    raise SettingError(f"{where} says {quoted(shown)}; accepted is {setting.accepted}")
