"""Whether the role that migrates what is real can do no more than that: by the server's own catalogue of roles."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.tiers import Consent

ABOUT = About(
    name="least_privilege",
    promise="the role in the URL of what is real rules its database and not the server",
    feature=False,
)
_ROLE = """
SELECT rolsuper, rolcreaterole, rolreplication, rolbypassrls,
       pg_has_role(oid, 'pg_execute_server_program', 'MEMBER') AND NOT rolsuper,
       pg_has_role(oid, 'pg_write_server_files', 'MEMBER') AND NOT rolsuper
  FROM pg_roles WHERE rolname = session_user
"""
_WORDS = (
    "is a superuser", "may make roles", "may replicate the whole server", "sees rows past row-level security",
    "may run programs on the server", "may write files on the server",
)  # fmt: skip


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what the role of each tier that needs a person could do besides."""

    def judge(seen: Seen) -> Iterator[Finding]:
        tier, name, role = seen.tier.label, seen.tier.name, seen.evidence.server.role
        with seen.reading() as connection:
            row = connection.execute(_ROLE).fetchone() or ()
        excess = [word for word, has in zip(_WORDS, row, strict=True) if has]
        if "is a superuser" in excess:
            excess = ["is a superuser"]  # who may do the rest
        if excess:
            mend = f"Let {seen.target.variable or seen.tier.url_variable} log in as a role that owns the database only"
            yield failed(f"{tier}: {role} {' and '.join(excess)}", mend, name)
        else:
            yield passed(f"{tier}: {role} rules its database and not the server", name)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent was asked")
