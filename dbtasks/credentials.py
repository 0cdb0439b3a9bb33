"""The password that a tier's own command tells: from a vault, a cloud's token service, a password manager."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from dbtasks.conninfo import Conninfo, mask, remember
from dbtasks.errors import CredentialError
from dbtasks.tiers import Tier

_PATIENCE_S = 60.0
_LONGEST = 8_192  # characters; a cloud's token is some two thousand


def with_credential(conninfo: Conninfo, tier: Tier, root: Path) -> Conninfo:
    """Return the connection with the password that the tier's command tells, asked once a process and never written.

    `{role}` in the command is whoever logs in.

    One that the URL holds counts, as it does where `invoke run` or a test was given the whole way in. CredentialError
    says why there is none.
    """
    if conninfo.password is not None:
        return conninfo
    words = tuple(word.replace("{role}", conninfo.user or "") for word in tier.credential)
    return conninfo.with_password(_told(words, tier.label, root))


@functools.cache
def _told(words: tuple[str, ...], label: str, root: Path) -> str:
    try:
        done = subprocess.run(
            list(words), cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except OSError as error:
        raise CredentialError(label, f"{words[0]} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise CredentialError(label, f"{words[0]} did not end within {_PATIENCE_S:g} s") from None
    try:
        secret = done.stdout.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CredentialError(label, f"{words[0]} wrote what is no text") from None
    remember(secret)  # before anything of what it said could be shown
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = f": {mask(said[-1])}" if said else ""
        raise CredentialError(label, f"{words[0]} ended with {done.returncode}{why}")
    if not secret or "\n" in secret or "\0" in secret or len(secret) > _LONGEST:
        raise CredentialError(label, f"{words[0]} wrote no single line that could be a password")
    return secret
