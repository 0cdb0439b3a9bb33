"""Which tier a command means: `--tier`, else a flag in the environment, else the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dbtasks.conninfo import mask
from dbtasks.errors import UsageError
from dbtasks.settings import Settings
from dbtasks.settings_keys import DEPRECATED_FLAG
from dbtasks.tiers import Tier
from dbtasks.values import dataclass
from dbtasks.wording import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The tier that is meant, what said so, the flags of tiers that are on, and notices to show."""

    tier: Tier
    source: Literal["--tier", "flag", "default"]
    flags_on: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()


def choose(settings: Settings, wanted: str | None, environ: Mapping[str, str]) -> Choice:
    """Return the tier that is meant; `UsageError` when it is unknown or the command line and flags disagree.

    `environ` is the real environment: a flag in `.env` never counts. A tier that needs its flag may be chosen
    without it here; the guard refuses it.
    """
    flags = {tier.flag: tier for tier in settings.tiers if tier.flag is not None}
    on = _flags_on((*flags, DEPRECATED_FLAG), environ)
    tiers_on = {flag: flags.get(flag, settings.default) for flag in on}
    if len(on) > 1:
        raise UsageError(f"{' and '.join(on)} are both on. One command means one tier: unset all but one.")
    tier = settings.default if wanted is None else settings.tier(wanted)
    for flag, other in tiers_on.items():
        if wanted is not None and other.name != tier.name:
            raise UsageError(
                f"--tier={tier.name} and {flag}, which is on and means {other.name}, contradict each other. "
                f"Unset {flag} to work on {tier.name}."
            )
        tier = other
    source: Literal["--tier", "flag", "default"] = "flag" if on else "default"
    return Choice(
        tier=tier,
        source=source if wanted is None else "--tier",
        flags_on=frozenset(on) - {DEPRECATED_FLAG},
        notices=_notices(on, settings.default),
    )


def _flags_on(flags: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    wrong = [flag for flag in flags if environ.get(flag, "").lower() not in ("true", "false", "")]
    if wrong:
        texts = [f"{flag}: expected true or false, found {mask(quoted(environ[flag]))}." for flag in wrong]
        raise UsageError("\n".join(texts))
    return [flag for flag in flags if environ.get(flag, "").lower() == "true"]


def _notices(on: list[str], default: Tier) -> tuple[str, ...]:
    if DEPRECATED_FLAG not in on:
        return ()
    return (f"{DEPRECATED_FLAG} is no longer needed: {default.name} is the default. Unset it.",)
