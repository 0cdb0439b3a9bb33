"""`config/allowed_signers`: whose SSH keys count, in the format of ssh-keygen(1), ALLOWED SIGNERS, as git uses it.

Read by us, and not by `ssh-keygen` alone, because here a key stands for one person: a pattern that fits many names,
or an authority that makes keys for others, names nobody.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import re
import struct
from datetime import UTC, datetime

from dbtasks.brought import Person
from dbtasks.errors import Mistake
from dbtasks.settings import SIGNERS_FILE
from dbtasks.signers_file import signer_lines
from dbtasks.values import dataclass

LONGEST_LINE = 20_000

KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)

_WORD = re.compile(r'"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+)')
_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>[^"]*)")?(?P<end>,|$)')
_OPTIONS = re.compile(r'(?:[^\s"]|"[^"]*")+')
_TIME = re.compile(r"(\d{8})(?:(\d{4})(\d{2})?)?Z?")
_PATTERN = re.compile(r"[*?!]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One line: names for one key. `names` is empty where it names nobody. `namespaces` is `None` where any will do.

    `key` is the public key as the line has it, its type and its base64.
    """

    line: int
    names: tuple[str, ...]
    key: str
    blob: bytes
    namespaces: tuple[str, ...] | None = None
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def signs(self, namespace: str) -> bool:
        """Return whether its signatures count in a namespace."""
        if self.namespaces is None:
            return True
        refused = [each[1:] for each in self.namespaces if each.startswith("!")]
        if any(fnmatch.fnmatchcase(namespace, each) for each in refused):
            return False
        return any(fnmatch.fnmatchcase(namespace, each) for each in self.namespaces)

    @property
    def person(self) -> Person:
        return Person(
            names=self.names,
            key=fingerprint(self.blob),
            valid_after=self.valid_after,
            valid_before=self.valid_before,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """The whole file. `mistakes` are all of its mistakes: with any of them, nobody counts."""

    signers: tuple[Signer, ...]
    mistakes: tuple[Mistake, ...] = ()

    def of(self, blob: bytes, namespace: str) -> Signer | None:
        """Return whose key this is, if its signatures count in that namespace."""
        there = (each for each in self.signers if each.blob == blob and each.names)
        return next((each for each in there if each.signs(namespace)), None)


class _WrongLineError(ValueError):
    """What is wrong with a line, as a sentence."""


def fingerprint(blob: bytes) -> str:
    """Return a key's fingerprint as OpenSSH shows it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def read(text: str) -> Signers:
    """Return the signers of a file, and every mistake in it."""
    found: list[Signer] = []
    mistakes: list[Mistake] = []
    for number, line in signer_lines(text):
        try:
            signer = _signer(number, line)
            _check_against(signer, found)
            found.append(signer)
        except _WrongLineError as wrong:
            mistakes.append(Mistake(file=SIGNERS_FILE.as_posix(), line=number, text=str(wrong)))
    return Signers(signers=() if mistakes else tuple(found), mistakes=tuple(mistakes))


def _signer(number: int, line: str) -> Signer:
    if len(line) > LONGEST_LINE or not line.isprintable():
        raise _WrongLineError("not a line of text that names a signer.")
    first = _WORD.match(line)
    if first is None:
        raise _WrongLineError("expected names first, found a quote that does not end.")
    names, rest = _names(first["quoted"] or first["bare"] or ""), line[first.end() :].strip()
    options = "" if rest.split(" ", 1)[0] in KEY_TYPES else _options_text(rest)
    told = _options(options)
    key, blob = _key(rest[len(options) :].strip())
    nobody = "cert-authority" in told or any(_PATTERN.search(name) for name in names)
    after, before = _time(told, "valid-after"), _time(told, "valid-before")
    if after and before and after >= before:
        raise _WrongLineError("valid-after is not before valid-before, so that it never counts.")
    spaces = told.get("namespaces")
    return Signer(
        line=number,
        names=() if nobody else names,
        key=key,
        blob=blob,
        namespaces=None if spaces is None else tuple(each.strip() for each in spaces.split(",")),
        valid_after=after,
        valid_before=before,
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise _WrongLineError("an empty name. Write names with commas between: anna@example.com,anna.")
    if names[0] in KEY_TYPES:
        raise _WrongLineError(f"{names[0]} stands where a name must be. Write whose key it is first.")
    return names


def _options_text(rest: str) -> str:
    found = _OPTIONS.match(rest)
    if found is None:
        raise _WrongLineError("there is no key after the names.")
    return found[0]


def _options(text: str) -> dict[str, str]:
    told: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        if found is None:
            raise _WrongLineError(f"expected a kind of key or options, found {text[:30]!a}.")
        name, value, at = found["name"].lower(), found["value"], found.end()
        if name in told:
            raise _WrongLineError(f"{name} is there twice.")
        if name not in ("cert-authority", "namespaces", "valid-after", "valid-before"):
            raise _WrongLineError(f"unknown option {name}, or a kind of key that does not count.")
        if (value is None) is not (name == "cert-authority"):
            raise _WrongLineError(f"{name}: expected {'no value' if value is not None else 'a value in quotes'}.")
        told[name] = value or ""
    return told


def _key(text: str) -> tuple[str, bytes]:
    kind, _, rest = text.partition(" ")
    encoded = rest.strip().split(" ", 1)[0]
    if kind not in KEY_TYPES:
        raise _WrongLineError(f"expected a kind of key such as ssh-ed25519, found {kind[:30]!a}.")
    try:
        blob = base64.b64decode(encoded, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error, ValueError):
        raise _WrongLineError("the key is not whole. Copy it once more from its .pub file.") from None
    if blob[4 : 4 + length] != kind.encode() or len(blob) < 4 + length + 32:
        raise _WrongLineError("the key is not whole, or of another kind than the line says.")
    return f"{kind} {encoded}", blob


def _time(told: dict[str, str], name: str) -> datetime | None:
    """Return a time. Without a Z it is UTC all the same, so that it means one moment on every machine."""
    if name not in told:
        return None
    found = _TIME.fullmatch(told[name])
    try:
        if found is None:
            raise ValueError
        day, minute, second = found.groups()
        return datetime.strptime(f"{day}{minute or '0000'}{second or '00'}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise _WrongLineError(f"{name}: expected a time such as 20260131 or 202601311430Z.") from None


def _check_against(signer: Signer, before: list[Signer]) -> None:
    """Raise where one key would be two people's."""
    for other in before:
        same = other.blob == signer.blob and other.names and signer.names
        if same and not {*other.names} & {*signer.names}:
            raise _WrongLineError(f"the same key as line {other.line} under other names. A key is one person's.")
