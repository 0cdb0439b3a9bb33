"""Backups sealed with age, so that whoever gets hold of one cannot read it: to age and SSH public keys.

What is sealed here opens with the `age` program and a private key, without dbtasks.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from dbtasks.errors import BackupError, UsageError
from dbtasks.values import dataclass

BLOCK_BYTES = 1 << 18
_SSH = ("ssh-ed25519 ", "ssh-rsa ")
_MOST_KEY_BYTES = 100_000
_PUBLIC = "Write age1..., ssh-ed25519 ... or ssh-rsa ..., or the path of a file with such lines."
_EXTRA = 'pip install "dbtasks[encrypt]"'


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who can open what is sealed. `shown` are their keys in short: fingerprints, as `ssh-keygen -l` prints them."""

    keys: tuple[Any, ...]
    shown: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def seal(self, source: Source, write: Callable[[bytes], object]) -> None:
        """Seal everything that `source` has, in one pass and little memory."""
        _through(_age().encrypt_io, source, write, list(self.keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Private keys at hand. They show themselves nowhere."""

    keys: tuple[Any, ...]

    def open(self, source: Source, write: Callable[[bytes], object]) -> None:
        """Open everything that `source` has. What comes before a damaged place was written by then.

        BackupError where no key fits or the seal is broken.
        """
        _through(_age().decrypt_io, source, write, list(self.keys))


def recipients(words: Sequence[str], root: Path) -> Recipients:
    """Return those that the settings name, as keys or files of keys, each once. UsageError names what is no key."""
    lines = [line for word in words for line in _lines(word, root)]
    unique = {_shown(line): line for line in lines}
    return Recipients(keys=tuple(_recipient(line) for line in unique.values()), shown=tuple(unique))


def identities(path: Path, variable: str) -> Identities:
    """Return the private keys of a file: age's, or one SSH key. UsageError shows nothing of what is in it."""
    age = _age()
    try:
        content = path.read_bytes()[:_MOST_KEY_BYTES]
    except OSError as error:
        raise UsageError(f"{variable} names {path}, which cannot be read: {error.strerror}.") from None
    try:
        if b"-----BEGIN" in content:
            key = age.ssh.Identity.from_buffer(content)
            _opens(key)
            return Identities(keys=(key,))
        lines = [line.strip() for line in content.decode("ascii").splitlines()]
        keys = tuple(age.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#"))
    except (age.IdentityError, UnicodeDecodeError):
        keys = ()
    if not keys:
        raise UsageError(
            f"{variable} names {path}, which holds no private key that opens backups. Name a file that age-keygen "
            "made, or an SSH key without a passphrase."
        )
    return Identities(keys=keys)


def opens(who: Recipients, having: Identities) -> bool:
    """Return whether these private keys open what is sealed to these recipients: by sealing and opening something."""
    probe, sealed, opened = secrets.token_bytes(64), io.BytesIO(), io.BytesIO()
    who.seal(io.BytesIO(probe), sealed.write)
    sealed.seek(0)
    try:
        having.open(sealed, opened.write)
    except BackupError:
        return False
    return opened.getvalue() == probe


def _opens(key: Any) -> None:
    """Raise IdentityError for an SSH key with a passphrase, which says so only when it is used."""
    # Something sealed to somebody else: an unusable key is told apart from one that does not fit.
    age = _age()
    sealed = age.encrypt(b"", [age.x25519.Identity.generate().to_public()])
    try:
        age.decrypt(sealed, [key])
    except age.DecryptError:
        return


def _lines(word: str, root: Path) -> Iterator[str]:
    if word.startswith(("age1", *_SSH)):
        yield word.strip()
        return
    if word.upper().startswith("AGE-SECRET-KEY"):
        raise UsageError(f"backups.recipients holds a private key, which belongs to nobody's settings. {_PUBLIC}")
    path = root / Path(word).expanduser()
    try:
        text = path.read_bytes()[:_MOST_KEY_BYTES].decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"backups.recipients names {path}, which cannot be read: {reason}.") from None
    found = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise UsageError(f"backups.recipients names {path}, which holds no key.")
    yield from found


def _recipient(line: str) -> Any:
    age = _age()
    try:
        return (age.ssh if line.startswith(_SSH) else age.x25519).Recipient.from_str(line)
    except age.RecipientError:
        # Not quoted: it may be a private key that somebody put there by mistake.
        raise UsageError(f"backups.recipients holds what is no public key. {_PUBLIC}") from None


def _shown(line: str) -> str:
    if not line.startswith(_SSH):
        return f"{line[:12]}...{line[-6:]}" if line.startswith("age1") else "unknown"
    kind, key = line.split()[:2]
    try:
        digest = hashlib.sha256(base64.b64decode(key, validate=True)).digest()
    except ValueError:
        return "unknown"
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _through(function: Callable[..., None], source: Source, write: Callable[[bytes], object], keys: list[Any]) -> None:
    """Let age read and write. What is raised underway comes out as it was raised, not as age words it."""
    age, reader, writer = _age(), _Reader(source), _Writer(write)
    try:
        function(reader, writer, keys)
    except (age.EncryptError, age.DecryptError, OSError) as error:
        underway = reader.raised or writer.raised
        if underway is not None:
            raise underway from None
        raise BackupError(f"It cannot be opened with the keys at hand, or its seal is broken ({error}).") from None


class _Reader:
    """What age reads from, 8 KiB at a time, filled by larger reads."""

    def __init__(self, source: Source) -> None:
        self._source, self._block, self._at = source, b"", 0
        self.raised: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        if self._at >= len(self._block):
            try:
                self._block, self._at = self._source.read(BLOCK_BYTES), 0
            except BaseException as error:
                self.raised = error
                raise
        end = len(self._block) if size < 0 else self._at + size
        piece, self._at = self._block[self._at : end], end
        return piece


class _Writer:
    """What age writes to, gathered to larger pieces."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.raised: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except BaseException as error:
            self.raised = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _age() -> Any:
    try:
        import pyrage  # late: whoever seals nothing needs it not
    except ImportError:
        raise BackupError(f"Sealed backups need one more package: {_EXTRA}") from None
    return pyrage
