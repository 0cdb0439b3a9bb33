"""What a file of allowed signers says, whatever its comments and line ends are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator


def signer_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that count, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield number, bare


def signers_digest(text: str) -> str:
    """Return the sha256 of a file of signers, in hexadecimal.

    >>> signers_digest("# us\\r\\n\\r\\nanna ssh-ed25519 AAAA \\r\\n") == signers_digest("anna ssh-ed25519 AAAA")
    True
    """
    return hashlib.sha256("\n".join(line for _, line in signer_lines(text)).encode()).hexdigest()
