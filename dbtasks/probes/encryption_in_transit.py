"""Whether the line to what is real is encrypted: by what the server says of the session and the URL insists on."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.tiers import Consent

ABOUT = About(
    name="encryption_in_transit",
    promise="rows and passwords of what is real cross no network in plain, and nobody in between can make them",
    feature=False,
)
_SESSION = "SELECT ssl, version, inet_server_addr() IS NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
_INSISTS = frozenset({"require", "verify-ca", "verify-full"})


def look(ground: Ground) -> Iterator[Finding]:
    """Yield how the session with each tier that needs a person runs."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(seen)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent was asked")


def _of(seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    if seen.target.is_embedded:
        return passed(f"{tier}: the private server listens on this machine alone", name)
    with seen.reading() as connection:
        row = connection.execute(_SESSION).fetchone()
    encrypted, version, socket = row or (False, None, False)
    if socket:
        return passed(f"{tier}: a socket of this machine, which no network sees", name)
    mend = f"Write sslmode=verify-full into {seen.target.variable}, with the server's sslrootcert"
    if not encrypted:
        return failed(f"{tier}: the session with {seen.evidence.place} is not encrypted", mend, name)
    mode = str(dict(seen.target.conninfo.options).get("sslmode", "prefer"))
    if mode not in _INSISTS:
        saw = f"{tier}: encrypted ({version}), but sslmode={mode} would do without where somebody in between says so"
        return failed(saw, mend, name)
    return passed(f"{tier}: {version}, and the URL insists on it (sslmode={mode})", name)
