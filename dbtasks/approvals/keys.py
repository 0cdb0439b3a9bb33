"""The person's own key: the one that is named, or the one of their keys that may sign."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from dbtasks.approvals import signature, ssh_keygen
from dbtasks.approvals.signers import Signer, Signers
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A file that `ssh-keygen` can sign with, and whose key it is."""

    path: Path
    signer: Signer


def own_key(signers: Signers, namespace: str, wanted: str = "") -> Key | None:
    """Return the key to sign with: `wanted`, a file, or the first in the person's folder that counts. None: no key."""
    files = [Path(wanted).expanduser()] if wanted else ssh_keygen.public_keys()
    for file in files:
        signer = signers.of(_blob(ssh_keygen.public_half(file)), namespace)
        if signer is not None:
            private = file.with_suffix("") if file.suffix == ".pub" else file
            return Key(path=private if private.exists() else file, signer=signer)
    return None


def sign(text: str, key: Key, namespace: str, *, may_ask: bool) -> str:
    """Return a signature of the person whose key it is. SigningError where a file's other half is somebody else's."""
    armored = ssh_keygen.sign(text, key.path, namespace, may_ask=may_ask)
    found = signature.parse(armored)
    if found is None or found.blob != key.signer.blob or not ssh_keygen.holds(found, text, key.signer.key):
        raise ssh_keygen.SigningError(
            f"{key.path} does not sign as {key.signer.person}, whose key its .pub file holds."
        )
    return armored


def _blob(public: str) -> bytes:
    try:
        return base64.b64decode(public.partition(" ")[2], validate=True)
    except (binascii.Error, ValueError):
        return b""
