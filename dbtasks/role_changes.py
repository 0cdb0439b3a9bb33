"""The statements that give the roles of a tier their rights, in the order in which they are run. Pure.

Their names come from the catalogue as PostgreSQL quotes them. So what a person reads is what runs, to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dbtasks.role_rules import defaults_lacking, excess, grouped, memberships, not_owned
from dbtasks.roles import Change, Facts, Kind, Part, Role, Thing

_KINDS = {
    Kind.DATABASE: "DATABASE",
    Kind.SCHEMA: "SCHEMA",
    Kind.TABLE: "TABLE",  # views and sequences, too, where ALTER is meant
    Kind.SEQUENCE: "SEQUENCE",
    Kind.ROUTINE: "ROUTINE",
    Kind.TYPE: "TYPE",
}


def changes(facts: Facts) -> tuple[Change, ...]:
    """Return what is yet to be done: roles, memberships, schemas, owners, tables, what is taken back, defaults.

    A migrator needs the right to create in a schema before it can own what lies there.
    """
    found = [
        *_roles(facts), *_memberships(facts), *_rights(facts),
    ]  # fmt: skip
    return tuple(dict.fromkeys(found))


def inside(facts: Facts) -> tuple[Change, ...]:
    """Return what is yet to be done inside a new database, for the roles that are there already."""
    there = tuple((part, role) for part, role in facts.roles if role.there)
    things = tuple(thing for thing in facts.things if thing.kind is not Kind.DATABASE)  # it gets what the old one had
    new = replace(facts, roles=there, things=things)
    return tuple(dict.fromkeys(_rights(new)))


def _rights(facts: Facts) -> Iterator[Change]:
    yield from _grants(facts, (Kind.DATABASE, Kind.SCHEMA))
    yield from _owners(facts)
    yield from _grants(facts, (Kind.TABLE, Kind.SEQUENCE))
    yield from _revokes(facts)
    yield from _defaults(facts)


def _roles(facts: Facts) -> Iterator[Change]:
    doubt = _no_createrole(facts.runner)
    for part, role in facts.roles:
        logs_in = part in facts.own_urls or part is Part.RUNTIME
        if not role.there:
            words = "LOGIN" if logs_in else "NOLOGIN"
            more = " CREATEDB" if part is Part.OWNER else ""
            yield Change(sql=f"CREATE ROLE {role.name} {words}{more}", doubt=doubt)
        elif logs_in and not role.logs_in:
            yield Change(sql=f"ALTER ROLE {role.name} LOGIN", doubt=doubt)


def _memberships(facts: Facts) -> Iterator[Change]:
    doubt = _no_createrole(facts.runner)
    for member, name in (*memberships(facts), *_of_the_runner(facts)):
        yield Change(sql=f"GRANT {name} TO {member}", doubt=doubt)


def _of_the_runner(facts: Facts) -> Iterator[tuple[str, str]]:
    """Who gives rights in a maker's name, or makes it an owner, must be able to be it."""
    runner = facts.runner
    for part in (Part.MIGRATOR, Part.OWNER):
        role = facts.of(part)
        if role is not None and not runner.superuser and role.name not in (runner.name, *runner.reaches):
            yield runner.name, role.name


def _grants(facts: Facts, kinds: tuple[Kind, ...]) -> Iterator[Change]:
    """Yield the grants on some kinds. What a role has as an owner alone, it would lack as soon as another owns it."""
    for part, role in facts.roles:
        things_then = facts.things if part in (Part.MIGRATOR, Part.OWNER) else tuple(_disowned(facts, role))
        for (kind, privileges, owner), things in grouped(replace(facts, things=things_then), part, role).items():
            if kind not in kinds:
                continue
            names = ", ".join(thing.name for thing in things)
            text = f"GRANT {', '.join(privileges)} ON {_KINDS[kind]} {names} TO {role.name}"
            yield Change(sql=text, doubt=_not_its_owner(facts.runner, owner))


def _disowned(facts: Facts, role: Role) -> Iterator[Thing]:
    """Yield the things, none of them owned by a role that should own nothing."""
    others = [other for other in (facts.of(Part.MIGRATOR), facts.of(Part.OWNER)) if other is not None]
    for thing in facts.things:
        yield replace(thing, owner=others[0].name) if others and thing.owner == role.name else thing


def _revokes(facts: Facts) -> Iterator[Change]:
    """Take back what was granted to a role itself. What comes by PUBLIC or a membership others may need: it is told."""
    for part, role in facts.roles:
        if not role.there or role.superuser or part in (Part.MIGRATOR, Part.OWNER):
            continue
        for (privileges, via), things in excess(facts, part, role).items():
            for thing in things:
                if thing.kind is Kind.COLUMN or not (via == role.name or _is_old_default(via, thing.kind)):
                    continue
                text = f"REVOKE {', '.join(privileges)} ON {_KINDS[thing.kind]} {thing.name} FROM {via}"
                yield Change(sql=text, doubt=_not_its_owner(facts.runner, thing.owner))


def _is_old_default(via: str, kind: Kind) -> bool:
    """Whether everybody may create in a schema, as up to PostgreSQL 14 each new database began."""
    return via == "PUBLIC" and kind is Kind.SCHEMA


def _defaults(facts: Facts) -> Iterator[Change]:
    for part, role in facts.roles:
        for on, schema, maker, privileges in defaults_lacking(facts, part, role):
            text = (
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA {schema}"
                f" GRANT {', '.join(privileges)} ON {on} TO {role.name}"
            )
            yield Change(sql=text)


def _owners(facts: Facts) -> Iterator[Change]:
    for part, role in facts.roles:
        for thing in not_owned(facts, part, role):
            kind = Kind.TABLE if thing.kind is Kind.SEQUENCE else thing.kind
            text = f"ALTER {_KINDS[kind]} {thing.name} OWNER TO {role.name}"
            yield Change(sql=text, doubt=_not_its_owner(facts.runner, thing.owner))


def _no_createrole(runner: Role) -> str:
    if runner.superuser or runner.creates_roles:
        return ""
    return f"{runner.name} has no CREATEROLE. Where the server gives it to nobody, make roles where its maker lets you"


def _not_its_owner(runner: Role, owner: str) -> str:
    if runner.superuser or owner == runner.name or owner in runner.reaches:
        return ""
    return f"{runner.name} does not own it, {owner} does"
