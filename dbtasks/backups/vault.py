"""One project's place for backups, with the keys that seal and open what lies there."""

from __future__ import annotations

from pathlib import Path

from dbtasks.backups import sealing
from dbtasks.backups.local import Local
from dbtasks.backups.sealing import Identities, Recipients
from dbtasks.backups.store import Store
from dbtasks.errors import BackupError, RecoveryFailedError, RefusedError
from dbtasks.recovery.repository import Repository, repository_of
from dbtasks.settings import Settings
from dbtasks.tiers import BackupEngine, Loss, Tier
from dbtasks.values import dataclass
from dbtasks.variables import Variables

RECIPIENTS_WANTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """`recipients` is `None` where nothing is sealed, `identities` where no private key is at hand.

    `repositories` are pgBackRest's, by their tiers; `root` is the project's folder, where servers are recovered to.
    """

    store: Store
    recipients: Recipients | None = None
    identities: Identities | None = None
    jobs: int = 1
    repositories: tuple[tuple[str, Repository], ...] = ()
    root: Path = Path()

    def repository(self, tier: str) -> Repository:
        """Return the tier's repository. BackupError where the settings name none."""
        for name, repository in self.repositories:
            if name == tier:
                return repository
        raise BackupError(f"tiers.{tier}.recovery names no stanza, by which pgBackRest knows the server.")


def open_vault(settings: Settings, variables: Variables) -> Vault:
    """Return the vault that the settings name. Contacts nothing.

    UsageError and BackupError say which key or package is missing.
    """
    said = settings.backups
    value = variables.get(said.identity) if said.identity else None
    return Vault(
        store=_store(said.folder, said.bucket),
        recipients=sealing.recipients(said.recipients, settings.root) if said.recipients else None,
        identities=sealing.identities(settings.root / Path(value.text).expanduser(), value.variable) if value else None,
        jobs=said.jobs,
        repositories=tuple(
            (tier.name, repository_of(settings.root, tier.recovery)) for tier in settings.tiers if tier.recovery.stanza
        ),
        root=settings.root,
    )


def _store(folder: Path, bucket: str) -> Store:
    if not bucket:
        return Local(folder)
    from dbtasks.backups import remote  # late: it needs a package of its own

    return remote.from_url(bucket)


def check_keys(vault: Vault, tier: Tier) -> str:
    """Return what a person should know of the keys before a backup of the tier is taken; empty: all is well.

    Shown by sealing and opening something. RefusedError where nobody could open the backup, or, of a tier that may
    lose nothing, where that cannot be shown or only one key could.
    """
    if tier.backup.engine is BackupEngine.PGBACKREST:
        return _check_cipher(vault, tier)
    strict, who, having = tier.may_lose is Loss.NOTHING, vault.recipients, vault.identities
    if strict and (who is None or len(who) < RECIPIENTS_WANTED):
        raise _refused(
            tier,
            f"Its backups are sealed to {len(who) if who else 0} keys, and one that gets lost must not be the last.",
            "Name two public keys or more in backups.recipients, then run the command again.",
        )
    if who is None:
        return "not sealed: whoever can read the files can read the rows"
    if having is None:
        if strict:
            raise _refused(
                tier,
                "No private key is at hand, so that nobody knows whether its backups could be opened.",
                "Set the variable that backups.identity names to the path of one of the keys, then run it again.",
            )
        return "whether it can be opened was not tried: no private key is at hand"
    if not sealing.opens(who, having):
        raise _refused(
            tier,
            "The private key at hand does not open what is sealed to backups.recipients.",
            "Name its public key there, or set the variable that backups.identity names to a key that fits.",
        )
    return ""


def _check_cipher(vault: Vault, tier: Tier) -> str:
    """The same of a repository, which has its own cipher: whoever cannot read it, cannot look into it either."""
    try:
        open_to_all = "none" in vault.repository(tier.name).info().ciphers
    except RecoveryFailedError as error:
        raise BackupError(str(error)) from error
    if open_to_all and tier.may_lose is Loss.NOTHING:
        raise _refused(
            tier,
            "Its repository of pgBackRest is not encrypted: whoever can read the files can read the rows.",
            f"Set repo1-cipher-type there and create the stanza anew, or write engine: pg_dump under "
            f"tiers.{tier.name}.backup.",
        )
    return "not encrypted: whoever can read the repository can read the rows" if open_to_all else ""


def _refused(tier: Tier, saw: str, instead: str) -> RefusedError:
    return RefusedError(code="E-BACKUP", saw=f"[{tier.label}] {saw}", why="Nothing was changed.", instead=instead)
