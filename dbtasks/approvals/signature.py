"""A signature as `ssh-keygen -Y sign` writes it: whose key, for which namespace (OpenSSH's PROTOCOL.sshsig)."""

from __future__ import annotations

import base64
import binascii
import struct

from dbtasks.values import dataclass

BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
LONGEST = 20_000
_MAGIC = b"SSHSIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a signature says of itself. Whether it holds is for `ssh-keygen` to say."""

    blob: bytes
    namespace: str
    armored: str


def parse(armored: str) -> Signature | None:
    """Return what a signature says of itself; `None` where it is none."""
    lines = armored.strip().splitlines()
    if len(armored) > LONGEST or len(lines) < 3 or (lines[0], lines[-1]) != (BEGIN, END):
        return None
    try:
        data = base64.b64decode("".join(lines[1:-1]), validate=True)
        if not data.startswith(_MAGIC) or data[6:10] != struct.pack(">I", 1):
            return None
        blob, rest = _string(data[10:])
        namespace, _ = _string(rest)
        return Signature(blob=blob, namespace=namespace.decode("ascii"), armored=f"{armored.strip()}\n")
    except (binascii.Error, struct.error, ValueError):
        return None


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Return a string of SSH's wire format, and what follows it."""
    (length,) = struct.unpack_from(">I", data)
    if len(data) < 4 + length:
        raise ValueError("a string that does not end")
    return data[4 : 4 + length], data[4 + length :]
