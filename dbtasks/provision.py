"""Which way back there would be before something is destroyed: found out by looking, before anybody is asked."""

from __future__ import annotations

from dataclasses import replace

from dbtasks.backups.vault import Vault, check_keys, open_vault
from dbtasks.errors import BackupError, RefusedError, UsageError
from dbtasks.evidence import Situation, WayBack
from dbtasks.project import Project
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.targets import Target
from dbtasks.tiers import BackupEngine, Tier
from dbtasks.verdicts import Request
from dbtasks.way_back import Policy


def provide(
    project: Project, request: Request, target: Target, situation: Situation, because: str
) -> tuple[Situation, Policy]:
    """Return the situation with its way back, and how that would be provided. `because`: why none is to be taken.

    What is kept when it is replaced needs no backup. RefusedError where a backup is asked for and none can be taken.
    """
    operation, tier = request.operation, as_strict_as(request.tier, situation)
    recovery = engine_for(project, target)
    mark = recovery.name if recovery is not None else ""
    if operation.replaces:
        return situation, Policy(mark=mark)
    if because and not operation.saves:
        return replace(situation, way_back=WayBack.WAIVED), Policy(mark=mark)
    if operation.recovers and tier.backup.engine not in (BackupEngine.PG_DUMP, BackupEngine.NEVER):
        # Of the recovered server, which nobody else knows and which is read-only.
        tier = replace(tier, backup=replace(tier.backup, engine=BackupEngine.PG_DUMP))
    try:
        vault = _vault(project, tier)
    except (BackupError, UsageError, RefusedError) as error:
        if operation.saves:
            raise
        said = error.saw if isinstance(error, RefusedError) else str(error)
        return replace(situation, no_way_back=said.splitlines()[0].removesuffix(".")), Policy(mark=mark)
    own = tier.backup.engine is not BackupEngine.PGBACKREST
    sealed = vault.recipients.shown if vault.recipients and own else ()
    policy = Policy(backup=tier.backup.engine.value, sealed_to=sealed, mark=mark)
    return replace(situation, way_back=WayBack.PROVIDED), policy


def as_strict_as(tier: Tier, situation: Situation) -> Tier:
    """Return the tier as its stamp has it: an edited file cannot make the keys of a backup a lesser matter."""
    return replace(tier, may_lose=situation.floor.may_lose)


def _vault(project: Project, tier: Tier) -> Vault:
    """Return the vault in which a backup of the tier would lie, or raise what stands in the way."""
    if tier.backup.engine is BackupEngine.NEVER:
        raise BackupError(f"tiers.{tier.name}.backup says engine: never")
    vault = open_vault(project.settings, project.variables)
    check_keys(vault, tier)
    return vault
