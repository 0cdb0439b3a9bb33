"""A backup of ours: encrypted where it opens with a private key at hand, and only so."""

from __future__ import annotations

from dbtasks.at_rest import AtRest, Grade
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.vault import Vault
from dbtasks.errors import BackupError, DamagedBackupError

_BEGIN = b"age-encryption.org/v1\n"


class _EnoughError(Exception):
    """The first bytes have come out."""


def look(vault: Vault, manifest: Manifest) -> AtRest:
    """Return whether what is stored of a backup is sealed: by its first bytes, and by opening it as far as needed."""
    if not manifest.sealed_to or not manifest.files:
        return AtRest(
            grade=Grade.ABSENT,
            saw=f"the backup {manifest.id} is not sealed",
            mend="Name public keys in backups.recipients, then take another",
        )
    source = _Stored(vault, manifest)
    if not source.begins_with(_BEGIN):
        return AtRest(grade=Grade.ABSENT, saw=f"what lies of the backup {manifest.id} is not what was sealed")
    if vault.identities is None:
        saw = f"the backup {manifest.id} is sealed, and no private key is at hand to open it"
        return AtRest(grade=Grade.UNKNOWN, saw=saw, mend="Set the variable that backups.identity names")
    try:
        vault.identities.open(source, _enough)
    except _EnoughError:
        who = len(manifest.sealed_to)
        return AtRest(grade=Grade.VERIFIED, saw=f"the backup {manifest.id} is sealed to {who} keys, and opens with one")
    except DamagedBackupError as error:
        return AtRest(grade=Grade.UNKNOWN, saw=str(error))
    except BackupError as error:
        return AtRest(grade=Grade.UNKNOWN, saw=f"the backup {manifest.id}: {error}")
    return AtRest(grade=Grade.UNKNOWN, saw=f"the backup {manifest.id} is sealed, and empty")


def _enough(data: bytes) -> None:
    if data:
        raise _EnoughError


class _Stored:
    """The stored bytes of a backup as a stream, from the first on."""

    def __init__(self, vault: Vault, manifest: Manifest) -> None:
        self._pieces = (piece for file in manifest.files for piece in vault.store.read(manifest.id, file.name))
        self._first = next(self._pieces, b"")

    def begins_with(self, begin: bytes) -> bool:
        return self._first.startswith(begin)

    def read(self, _size: int, /) -> bytes:
        first, self._first = self._first, b""
        return first or next(self._pieces, b"")
