"""Where a tier leads: the connection string of its variable, or the embedded server that stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dbtasks import embedded
from dbtasks.conninfo import Conninfo, parse
from dbtasks.effects import Operation
from dbtasks.errors import UrlNotConfiguredError
from dbtasks.pin import PIN
from dbtasks.roles import Part
from dbtasks.settings import Settings
from dbtasks.tiers import BackupEngine, Consent, Embedded, Tier
from dbtasks.values import dataclass
from dbtasks.variables import Value, Variables


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
    part: Part | None = None,
) -> Target | None:
    """Return a tier's way in. `None`: its embedded server was never started, and `start` is off.

    `admin`: the administrator's, where the tier names one. `part`: that of the role that has it, where one has;
    without a URL of its own, the tier's own changes into it.

    An embedded server that was started before is started again whatever `start` says. Raises UrlNotConfiguredError
    and ConninfoError. In a test process, our own connections are let through to the default tier's server from now on.
    """
    target = _administrator(variables, tier) if admin else None
    target = (
        target
        or _of_its_own(settings, variables, tier, part)
        or _resolve(settings, variables, tier, report, start=start)
    )
    name = tier.roles.of(part) if part and target is not None and not admin else ""
    if name and target is not None and target.conninfo.user != name:
        conninfo = target.conninfo.as_role(name)
        target = replace(target, conninfo=conninfo, masked=f"{target.masked} as {name}")
    if target is not None and tier == settings.default:
        PIN.enter(target.conninfo.host, target.conninfo.port)
    return target


def _resolve(
    settings: Settings, variables: Variables, tier: Tier, report: Callable[[str], None], *, start: bool
) -> Target | None:
    value = variables.get(tier.url_variable)
    if value is not None:
        return _told(settings, tier, value)
    if tier.embedded is Embedded.NEVER:
        where = "the environment" if tier.consent is Consent.PERSON else "the environment or in .env"
        raise UrlNotConfiguredError(tier.label, tier.url_variable, where)
    kind = embedded.Kind(tier.embedded.value)
    if not start and embedded.look(settings.root, kind) is None:
        return None
    server = embedded.ensure(settings.root, kind, report)
    name = f"{settings.project}_{tier.name}"
    return Target(tier=tier, conninfo=server.conninfo(name), variable="", masked=f"{name} on embedded:{server.port}")


def _of_its_own(settings: Settings, variables: Variables, tier: Tier, part: Part | None) -> Target | None:
    name = tier.roles.variable(part) if part else ""
    value = variables.get(name) if name else None
    return None if value is None else _told(settings, tier, value)


def _told(settings: Settings, tier: Tier, value: Value) -> Target:
    """Return where a variable leads, with the password that the tier's command tells where it has none."""
    conninfo = parse(value.text, variable=value.variable)
    if tier.credential:
        from dbtasks.credentials import with_credential  # late: few tiers have a command for that

        conninfo = with_credential(conninfo, tier, settings.root)
    return Target(tier=tier, conninfo=conninfo, variable=value.variable, masked=conninfo.masked)


def part_of(operation: Operation, tier: Tier) -> Part | None:
    """Return which role an operation goes in as; `None`: whoever the tier's own URL logs in as."""
    copies = operation.saves and tier.backup.engine is not BackupEngine.PG_DUMP
    return None if copies else operation.part


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
