"""The engine of a tier: what its settings say, else the private durable server's own archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbtasks import embedded
from dbtasks.conninfo import Secret
from dbtasks.embedded.first_backup import ARCHIVE, SHELF
from dbtasks.project import Project
from dbtasks.recovery.engines import Engine, Provider
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.repository import repository_of
from dbtasks.settings import Settings
from dbtasks.targets import Target
from dbtasks.tiers import Embedded, RecoveryEngine, Tier

if TYPE_CHECKING:
    from dbtasks.recovery.engines.receivewal import Receiver


def engine_for(project: Project, target: Target) -> Engine | Provider | None:
    """Return how the target's server can be recovered to a point in time; `None`: it cannot. Contacts nothing.

    UsageError where a provider is named, and the connection does not lead there.
    """
    tier = target.tier
    if tier.recovery.engine is RecoveryEngine.SUPABASE and not target.is_embedded:
        return _supabase(project, target)
    durable = target.is_embedded and tier.embedded is Embedded.DURABLE
    private = embedded.look(project.settings.root, embedded.Kind.DURABLE) if durable else None
    return engine_of(project.settings, tier, private)


def engine_of(settings: Settings, tier: Tier, private: embedded.Server | None) -> Engine | None:
    """Return how a tier can be recovered; `None`: it cannot. `private` is the private durable server where it lives."""
    said = tier.recovery
    if said.engine is RecoveryEngine.NEVER:
        return None
    if said.engine is RecoveryEngine.RECEIVEWAL:
        return receiver_of(settings, tier)
    if said.engine is RecoveryEngine.PGBACKREST:
        from dbtasks.recovery.engines.pgbackrest import PgBackRest  # late: few tiers have one

        return PgBackRest(repository=repository_of(settings.root, said))
    if said.archive or said.fetch:
        return Archive(folder=settings.root / said.archive, shelf=_base(settings, tier), command=said.fetch)
    if private is None:
        return None
    return private_archive(private.data.parent)


def private_archive(place: Path) -> Archive:
    """Return the archive that the private durable server has from its first start on."""
    return Archive(folder=place / ARCHIVE, shelf=place / SHELF, owned=True)


def receiver_of(settings: Settings, tier: Tier) -> Receiver | None:
    """Return what receives the log of a tier's server; `None`: nothing of ours does."""
    if tier.recovery.engine is not RecoveryEngine.RECEIVEWAL:
        return None
    from dbtasks.recovery.engines.receivewal import Receiver  # late: few tiers have one

    return Receiver(
        folder=settings.root / ".dbtasks" / "received" / tier.name,
        shelf=_base(settings, tier),
        slot=f"dbtasks_{settings.project}_{tier.name}",
    )


def _supabase(project: Project, target: Target) -> Provider:
    from dbtasks.recovery.engines.supabase import Supabase, project_of  # late: few tiers have one, and it brings TLS

    tier = target.tier
    found = project.variables.get(tier.recovery.token)
    return Supabase(
        project=project_of(target.conninfo, tier),
        tier=tier,
        variable=tier.recovery.token,
        token=Secret(found.text) if found else None,
    )


def _base(settings: Settings, tier: Tier) -> Path:
    return settings.root / (tier.recovery.base or f".dbtasks/base/{tier.name}")
