"""Where a tier leads: the connection string of its variable, or the embedded server that stands in for it."""

from __future__ import annotations

from collections.abc import Callable

from dbtasks import embedded
from dbtasks.conninfo import Conninfo, parse
from dbtasks.errors import UrlNotConfiguredError
from dbtasks.pin import PIN
from dbtasks.settings import Settings
from dbtasks.tiers import Consent, Embedded, Tier
from dbtasks.values import dataclass
from dbtasks.variables import Variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One tier's way in. `variable` says where it came from; empty for an embedded server."""

    tier: Tier
    conninfo: Conninfo
    variable: str
    masked: str

    @property
    def is_embedded(self) -> bool:
        return not self.variable


def resolve(
    settings: Settings,
    variables: Variables,
    tier: Tier,
    report: Callable[[str], None],
    *,
    start: bool = True,
    admin: bool = False,
) -> Target | None:
    """Return a tier's way in. `None`: its embedded server was never started, and `start` is off.

    `admin`: the administrator's, where the tier names one.

    An embedded server that was started before is started again whatever `start` says. Raises UrlNotConfiguredError
    and ConninfoError. In a test process, our own connections are let through to the default tier's server from now on.
    """
    target = _administrator(variables, tier) if admin else None
    target = target or _resolve(settings, variables, tier, report, start=start)
    if target is not None and tier == settings.default:
        PIN.enter(target.conninfo.host, target.conninfo.port)
    return target


def _resolve(
    settings: Settings, variables: Variables, tier: Tier, report: Callable[[str], None], *, start: bool
) -> Target | None:
    value = variables.get(tier.url_variable)
    if value is not None:
        conninfo = parse(value.text, variable=value.variable)
        if tier.credential:
            from dbtasks.credentials import with_credential  # late: few tiers have a command for that

            conninfo = with_credential(conninfo, tier, settings.root)
        return Target(tier=tier, conninfo=conninfo, variable=value.variable, masked=conninfo.masked)
    if tier.embedded is Embedded.NEVER:
        where = "the environment" if tier.consent is Consent.PERSON else "the environment or in .env"
        raise UrlNotConfiguredError(tier.label, tier.url_variable, where)
    kind = embedded.Kind(tier.embedded.value)
    if not start and embedded.look(settings.root, kind) is None:
        return None
    server = embedded.ensure(settings.root, kind, report)
    name = f"{settings.project}_{tier.name}"
    return Target(tier=tier, conninfo=server.conninfo(name), variable="", masked=f"{name} on embedded:{server.port}")


def _administrator(variables: Variables, tier: Tier) -> Target | None:
    value = variables.get(tier.admin_url_variable) if tier.admin_url_variable else None
    if value is None:
        return None
    conninfo = parse(value.text, variable=value.variable)
    return Target(tier=tier, conninfo=conninfo, variable=value.variable, masked=conninfo.masked)


def resolve_runtime(variables: Variables, tier: Tier) -> Target:
    """Return the way in of a tier's managed runtime, from the real environment only."""
    name = tier.runtime_url_variable or tier.url_variable
    value = variables.get(name)
    if value is None or value.source != "environment":
        raise UrlNotConfiguredError(tier.label, name, "the runtime's own environment")
    conninfo = parse(value.text, variable=value.variable)
    return Target(tier=tier, conninfo=conninfo, variable=value.variable, masked=conninfo.masked)
