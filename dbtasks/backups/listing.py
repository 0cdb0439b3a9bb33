"""Which backups there are, and what was shown of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbtasks.backups.engines import copy
from dbtasks.backups.manifest import Manifest, decode_manifest, newest_verdict
from dbtasks.backups.store import MANIFEST
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection
from dbtasks.errors import BackupError, DamagedBackupError
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The newest first. `unreadable` are pairs of what lies there and why nobody can tell what it is."""

    backups: tuple[Manifest, ...]
    unreadable: tuple[tuple[str, str], ...] = ()


def list_backups(vault: Vault, project: str, tier: str = "", servers: Iterable[Conninfo | Connection] = ()) -> Listing:
    """Return the project's backups, or one tier's: those in the vault, and the copies on these servers.

    A server may be given by a connection to its coordination database.
    """
    found: list[Manifest] = []
    unreadable: list[tuple[str, str]] = []
    for each in (*_stored(vault), *_copies(servers, project)):
        if isinstance(each, Manifest):
            found.append(each)
        else:
            unreadable.append((each.id, each.why))
    mine = [each for each in found if each.project == project and each.tier == (tier or each.tier)]
    ordered = sorted(mine, key=lambda each: (each.started_at, each.id), reverse=True)
    return Listing(backups=tuple(ordered), unreadable=tuple(unreadable))


def read(vault: Vault, id_: str) -> Manifest:
    """Return one backup of the vault. DamagedBackupError where its manifest is not there or is none."""
    manifest = decode_manifest(vault.store.small(id_, MANIFEST), id_)
    return newest_verdict(manifest, vault.store.verdicts(id_))


def choose(listing: Listing, wanted: str) -> Manifest:
    """Return the backup of that id, or the newest good one for `latest`. BackupError where there is none."""
    if not listing.backups and not listing.unreadable:
        raise BackupError("There is no backup of this tier that could be restored. To take one: invoke backup")
    known = ", ".join(each.id for each in listing.backups[:5]) or "none"
    for each in listing.backups:
        if each.id == wanted or (wanted == "latest" and each.good):
            return each
    why = next((why for id_, why in listing.unreadable if id_ == wanted), "")
    if why:
        raise DamagedBackupError(wanted, why)
    raise BackupError(f"There is no backup {wanted}. The newest are: {known}.")


def _stored(vault: Vault) -> Iterator[Manifest | DamagedBackupError]:
    for id_ in vault.store.ids():
        try:
            yield read(vault, id_)
        except DamagedBackupError as error:
            yield error


def _copies(servers: Iterable[Conninfo | Connection], project: str) -> Iterator[Manifest | DamagedBackupError]:
    seen = set()
    for server in servers:
        for name, record in copy.listed(server, project):
            try:
                manifest = copy.manifest_in(record, name)
            except DamagedBackupError as error:
                yield error
                continue
            if manifest.id not in seen:  # two tiers may lie on one server
                seen.add(manifest.id)
                yield manifest
