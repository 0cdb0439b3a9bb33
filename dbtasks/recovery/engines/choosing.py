"""The engine of a tier: what its settings say, else the private durable server's own archive."""

from __future__ import annotations

from pathlib import Path

from dbtasks import embedded
from dbtasks.conninfo import Secret
from dbtasks.embedded.first_backup import ARCHIVE, SHELF
from dbtasks.project import Project
from dbtasks.recovery.engines import Engine, Provider
from dbtasks.recovery.engines.archive import Archive
from dbtasks.settings import Settings
from dbtasks.targets import Target
from dbtasks.tiers import Embedded, RecoveryEngine, Tier


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
    base = settings.root / (said.base or f".dbtasks/base/{tier.name}")
    if said.engine is RecoveryEngine.RECEIVEWAL:
        return _receiver(settings, tier, base)
    if said.archive or said.fetch:
        return Archive(folder=settings.root / said.archive, shelf=base, command=said.fetch)
    if private is None:
        return None
    return private_archive(private.data.parent)


def private_archive(place: Path) -> Archive:
    """Return the archive that the private durable server has from its first start on."""
    return Archive(folder=place / ARCHIVE, shelf=place / SHELF, owned=True)


def _receiver(settings: Settings, tier: Tier, base: Path) -> Engine:
    from dbtasks.recovery.engines.receivewal import Receiver  # late: few tiers have one

    return Receiver(
        folder=settings.root / ".dbtasks" / "received" / tier.name,
        shelf=base,
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
