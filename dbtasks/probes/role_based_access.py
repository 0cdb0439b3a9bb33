"""Whether the role that serves can only serve: what the catalogue says it could do to the schema of what is real."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.conninfo import parse
from dbtasks.entitled import declared, look_at
from dbtasks.probes.ground import Ground, Seen, UnseenError
from dbtasks.role_rules import too_much
from dbtasks.roles import Part
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.tiers import Consent

ABOUT = About(
    name="role_based_access",
    promise="the role that the application serves with can neither drop, truncate nor make what migrations make",
    critical=True,
)
_POWERS = """
SELECT r.rolsuper, r.rolcreaterole, r.rolcreatedb, pg_has_role(r.oid, d.datdba, 'USAGE'),
       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)'
           AND pg_has_role(r.oid, c.relowner, 'USAGE')),
       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)'
           AND has_table_privilege(r.oid, c.oid, 'TRUNCATE')),
       (SELECT count(*) FROM pg_namespace n WHERE n.nspname !~ '^(pg_|information_schema$)'
           AND has_schema_privilege(r.oid, n.oid, 'CREATE'))
  FROM pg_roles r, pg_database d WHERE r.rolname = %s AND d.datname = current_database()
"""


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what the role of each real tier's runtime could do besides serving."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(ground, seen)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent was asked")


def _of(ground: Ground, seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    declared_much = _declared(ground, seen)
    if declared_much is not None:
        return declared_much
    role = _serving(ground, seen)
    with seen.reading() as connection:
        row = connection.execute(_POWERS, [role]).fetchone()
    if row is None:
        return failed(
            f"{tier}: the server has no role {role}, with which the application would serve", ABOUT.page, name
        )
    words = (
        "is a superuser", "may make roles", "may make databases", "owns the database", "may drop {} tables",
        "may truncate {} tables", "may create in {} schemas",
    )  # fmt: skip
    excess = [word.format(has) for word, has in zip(words, row, strict=True) if has]
    if excess:
        mend = f"Let the application serve by a role that owns nothing: {seen.tier.runtime_url_variable}"
        return failed(f"{tier}: {role}, which serves, {' and '.join(excess)}", mend, name)
    return passed(f"{tier}: {role} serves, and can neither drop, truncate nor create", name)


def _declared(ground: Ground, seen: Seen) -> Finding | None:
    """Return what the roles that the settings declare have too much of; `None`: none of them serves."""
    if not declared(ground.project, seen.tier).of(Part.RUNTIME):
        return None
    facts = look_at(ground.project, seen.target)
    much, tier, name = too_much(facts), seen.tier.label, seen.tier.name
    gone = next((role.name for _, role in facts.roles if not role.there), "")
    if much:
        more = f", and {len(much) - 1} more" if len(much) > 1 else ""
        saw = f"{tier}: {much[0].part.value} {much[0].role} {much[0].text}{more}"
        return failed(saw, f"invoke roles.plan --tier={name}", name)
    if gone:
        return failed(f"{tier}: the server has no role {gone}", f"invoke roles.plan --tier={name}", name)
    names = ", ".join(f"{part.value} {role.name}" for part, role in facts.roles)
    return passed(f"{tier}: no right too much: {names}", name)


def _serving(ground: Ground, seen: Seen) -> str:
    """Return the role that the application uses; UnseenError where nothing here says which that is."""
    variable = seen.tier.runtime_url_variable
    value = ground.project.variables.get(variable) if variable else None
    user = parse(value.text, variable=value.variable).user if value else None
    if user is None:
        what = f"{variable} is not set here" if variable else "the settings name no runtime_url"
        mend = f"Set {variable}." if variable else f"Write runtime_url for {seen.tier.name} in config/tiers.yaml"
        raise UnseenError(f"which role serves is not known: {what}", mend)
    return user
