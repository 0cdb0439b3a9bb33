"""Signing and checking with `ssh-keygen -Y`: the keys that people have, an agent or a hardware key included."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dbtasks.approvals.signature import Signature
from dbtasks.errors import DbtasksError

# A signature is good for what it was made for: who may ask for a plan has not agreed to one thereby.
ASKS, AGREES = "plan@dbtasks", "approval@dbtasks"

_PATIENCE_S = 300  # a person types a passphrase, or touches a key
_CHECK_S = 30


class SigningError(DbtasksError):
    """Nothing was signed."""


def sign(text: str, key: Path, namespace: str, *, may_ask: bool) -> str:
    """Return a signature over a text, by a private key, or by a public one whose other half an agent holds.

    `may_ask`: somebody is there who can type a passphrase. SigningError where there is no signature.
    """
    environ = _environ()
    if not may_ask:
        environ |= {"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": "/bin/false"}
    command = [_program(), "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    try:
        # In a session of its own there is no terminal on which it could ask.
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, env=environ, timeout=_PATIENCE_S, check=False,
            start_new_session=not may_ask,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SigningError(f"ssh-keygen did not sign with {key}: {type(error).__name__}.") from None
    signed = done.stdout.decode("ascii", "replace")
    if done.returncode or not signed:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SigningError(f"ssh-keygen did not sign with {key}: {said[-1] if said else 'no reason given'}.")
    return signed


def holds(signature: Signature, text: str, key: str) -> bool:
    """Return whether a signature is this key's over this text, for the namespace that it names.

    The program gets one line with that key alone: who it is, and whether it counts, was found before. One that says
    yes to another text as well, such as a stand-in that always ends with 0, has checked nothing.
    """
    return _verifies(signature, text, key) and not _verifies(signature, f"{text} ", key)


def _verifies(signature: Signature, text: str, key: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="dbtasks-") as folder:
        signed, allowed = Path(folder, "signature"), Path(folder, "allowed")
        signed.write_text(signature.armored, encoding="ascii")
        allowed.write_text(f"signer {key}\n", encoding="ascii")
        words = ["-f", str(allowed), "-I", "signer", "-n", signature.namespace, "-s", str(signed)]
        try:
            done = subprocess.run(
                [_program(), "-q", "-Y", "verify", *words],
                input=text.encode(), capture_output=True, env=_environ(), timeout=_CHECK_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def public_keys() -> list[Path]:
    """Return the public keys in the person's own folder, the usual kinds first."""
    folder = Path.home() / ".ssh"
    usual = [folder / f"id_{kind}.pub" for kind in ("ed25519", "ed25519_sk", "ecdsa", "ecdsa_sk", "rsa")]
    there = sorted(folder.glob("*.pub")) if folder.is_dir() else []
    return [*(each for each in usual if each in there), *(each for each in there if each not in usual)]


def public_half(key: Path) -> str:
    """Return the public key that belongs to a key file, as type and base64; empty where it cannot be told."""
    public = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    try:
        words = public.read_text("utf-8").split()
        return " ".join(words[:2])
    except (OSError, UnicodeDecodeError):
        pass
    try:
        done = subprocess.run(
            [_program(), "-y", "-P", "", "-f", str(key)],
            stdin=subprocess.DEVNULL, capture_output=True, env=_environ(), timeout=_CHECK_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " ".join(done.stdout.decode("utf-8", "replace").split()[:2]) if done.returncode == 0 else ""


def _program() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise SigningError("There is no ssh-keygen here (OpenSSH 8.2 or later), which signs and checks approvals.")
    return found


def _environ() -> dict[str, str]:
    """What the program needs of ours: no URL, no flag, no secret."""
    kept = ("HOME", "PATH", "SSH_AUTH_SOCK", "TERM", "DISPLAY", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "TMPDIR", "USER")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
