"""The engine of a tier: what its settings say, else the private durable server's own archive."""

from __future__ import annotations

from pathlib import Path

from dbtasks import embedded
from dbtasks.embedded.first_backup import ARCHIVE, SHELF
from dbtasks.recovery.engines import Engine
from dbtasks.recovery.engines.archive import Archive
from dbtasks.settings import Settings
from dbtasks.tiers import RecoveryEngine, Tier


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
