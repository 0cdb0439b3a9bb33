"""Which rights the roles of a tier should have, which they lack, and which are too much. Pure.

What is too much counts whatever it comes from: a grant, PUBLIC, a membership that SET ROLE alone makes use of. What is
enough must be there without SET ROLE, since an application makes no use of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dbtasks.roles import Facts, Finding, Kind, Part, Role, Thing, named

_Kinds = Mapping[Kind, tuple[str, ...]]
_Rights = Mapping[Part, _Kinds]

_READ: _Kinds = {
    Kind.DATABASE: ("CONNECT",),
    Kind.SCHEMA: ("USAGE",),
    Kind.TABLE: ("SELECT",),
    Kind.SEQUENCE: ("SELECT",),
}
_WRITE: _Kinds = {
    **_READ,
    Kind.TABLE: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    Kind.SEQUENCE: ("SELECT", "USAGE", "UPDATE"),
}
# Tables are altered and dropped by who owns them: there is no grant for that.
_MIGRATE: _Kinds = {Kind.DATABASE: ("CONNECT", "CREATE", "TEMPORARY"), Kind.SCHEMA: ("USAGE", "CREATE")}
_WANTED: _Rights = {Part.READER: _READ, Part.BACKUP: _READ, Part.WRITER: _WRITE, Part.MIGRATOR: _MIGRATE}

# In our own schema. The stamp and the ledger are proof: who serves must not write them.
_OURS: _Rights = {
    Part.READER: _READ,
    Part.BACKUP: _READ,
    Part.WRITER: _READ,
    Part.MIGRATOR: {Kind.SCHEMA: ("USAGE", "CREATE"), Kind.TABLE: ("SELECT", "INSERT", "UPDATE", "DELETE")},
}
SEEDS = "dbtasks.seeds"
_SEEDS = ("SELECT", "INSERT", "UPDATE")

# Whose rights a role may have besides its own.
_MAY_BE = {
    Part.READER: (),
    Part.BACKUP: (Part.READER,),
    Part.WRITER: (Part.READER,),
    Part.RUNTIME: (Part.WRITER, Part.READER),
    Part.MIGRATOR: (Part.WRITER, Part.READER, Part.RUNTIME, Part.BACKUP),
    Part.OWNER: (Part.MIGRATOR, Part.WRITER, Part.READER, Part.RUNTIME, Part.BACKUP),
}
# Predefined roles that write, or that reach the server's files and programs.
_POWERS = frozenset(
    {
        "pg_write_all_data", "pg_maintain", "pg_read_server_files", "pg_write_server_files",
        "pg_execute_server_program", "pg_create_subscription",
    }
)  # fmt: skip
_SERVES = (Part.READER, Part.WRITER, Part.BACKUP, Part.RUNTIME)


def wanted(part: Part, thing: Thing) -> tuple[str, ...]:
    """Return the privileges that a part needs on a thing."""
    if not thing.ours:
        return _WANTED.get(part, {}).get(thing.kind, ())
    if part is Part.WRITER and thing.name == SEEDS:
        return _SEEDS
    return _OURS.get(part, {}).get(thing.kind, ())


def lacking(facts: Facts) -> tuple[Finding, ...]:
    """Return the rights that are too little."""
    return tuple(_lacking(facts))


def _lacking(facts: Facts) -> Iterator[Finding]:
    for part, role in facts.roles:
        if not role.there:
            yield Finding(part=part, role=role.name, much=False, text="there is no such role")
            continue
        for text in (*_not_reached(facts, part, role), *_privileges(facts, part, role), *_not_owned(facts, part, role)):
            yield Finding(part=part, role=role.name, much=False, text=text)
        for on, schema, maker, privileges in defaults_lacking(facts, part, role):
            text = f"lacks {', '.join(privileges)} on {on.lower()} that {maker} will make in {schema}"
            yield Finding(part=part, role=role.name, much=False, text=text)


def _not_reached(facts: Facts, part: Part, role: Role) -> Iterator[str]:
    for member, what in memberships(facts):
        if what == role.name:
            yield f"{member} is no member of it"
    if part in facts.own_urls and not role.logs_in:
        yield "has a URL of its own and may not log in"


def _privileges(facts: Facts, part: Part, role: Role) -> Iterator[str]:
    for (kind, privileges, _), things in grouped(facts, part, role).items():
        yield f"lacks {', '.join(privileges)} on {kind.lower()} {named(things)}"


def _not_owned(facts: Facts, part: Part, role: Role) -> Iterator[str]:
    things = not_owned(facts, part, role)
    if things:
        yield f"does not own {named(things)}"


def grouped(facts: Facts, part: Part, role: Role) -> dict[tuple[Kind, tuple[str, ...], str], list[Thing]]:
    """Return what a role lacks: things by their kind, the privileges and their owner, who alone can give them.

    What it has as an owner counts, though it may not stay one.
    """
    found: dict[tuple[Kind, tuple[str, ...], str], list[Thing]] = {}
    for thing in facts.things:
        left = tuple(each for each in wanted(part, thing) if not _holds(role, thing, each))
        if left:
            found.setdefault((thing.kind, left, thing.owner), []).append(thing)
    return found


def _holds(role: Role, thing: Thing, privilege: str) -> bool:
    """Whether a role has a privilege without SET ROLE."""
    who = {role.name, *role.inherits}
    if role.superuser or thing.owner in who or (thing.kind in _DATA and _by_all_data(who, privilege)):
        return True
    return any(right == privilege and grantee in {"PUBLIC", *who} for grantee, right in thing.given)


_DATA = (Kind.SCHEMA, Kind.TABLE, Kind.SEQUENCE)


def _by_all_data(who: set[str], privilege: str) -> bool:
    reads, writes = "pg_read_all_data" in who, "pg_write_all_data" in who
    return (reads and privilege in ("SELECT", "USAGE")) or (writes and privilege in ("INSERT", "UPDATE", "DELETE"))


def not_owned(facts: Facts, part: Part, role: Role) -> tuple[Thing, ...]:
    """Return what a role should own and does not: the migrator what the application made, the owner the database."""
    who = {role.name, *role.inherits}
    if part is Part.OWNER:
        kinds: tuple[Kind, ...] = (Kind.DATABASE,)
    elif part is Part.MIGRATOR:
        kinds = (Kind.TABLE, Kind.SEQUENCE, Kind.ROUTINE, Kind.TYPE)
    else:
        return ()
    mine = (thing for thing in facts.things if thing.kind in kinds and not (thing.ours or thing.follows))
    return tuple(thing for thing in mine if thing.owner not in who)


def memberships(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return who is yet to be a member of whom, each as SQL writes it.

    `login` changes into every role that has no URL of its own; the application has what the writer has, and the owner
    what the migrator has, both without changing.
    """
    names = {part: role.name for part, role in facts.roles}
    login = facts.login
    pairs = [(login.name, login.reaches, name) for part, name in names.items() if login and _entered(facts, part)]
    if login is not None and login.superuser:
        pairs = []
    for member, of in ((Part.RUNTIME, Part.WRITER), (Part.OWNER, Part.MIGRATOR)):
        role = facts.of(member)
        if role is not None and of in names and not role.superuser:
            pairs.append((role.name, role.inherits, names[of]))
    return tuple(dict.fromkeys((who, name) for who, known, name in pairs if name != who and name not in known))


def _entered(facts: Facts, part: Part) -> bool:
    """Whether the tier's own URL is to change into a role of this part."""
    return part is not Part.RUNTIME and part not in facts.own_urls


def makers(facts: Facts) -> tuple[str, ...]:
    """Return who makes tables: the migrator, the owner, and whoever the tier's own URL logs in as."""
    found = [role.name for part, role in facts.roles if part in (Part.MIGRATOR, Part.OWNER)]
    return tuple(dict.fromkeys((*found, *([facts.login.name] if facts.login else []))))


def defaults_lacking(facts: Facts, part: Part, role: Role) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield the default privileges that a role lacks: on what, in which schema, made by whom, which."""
    if role.superuser:
        return
    who = {"PUBLIC", role.name, *role.inherits}
    known = {(each.maker, each.schema, each.on, each.privilege) for each in facts.defaults if each.role in who}
    for schema in (thing for thing in facts.things if thing.kind is Kind.SCHEMA):
        for kind, on in ((Kind.TABLE, "TABLES"), (Kind.SEQUENCE, "SEQUENCES")):
            needed = wanted(part, Thing(kind=kind, name="", owner="", ours=schema.ours))
            for maker in makers(facts):
                left = tuple(
                    each for each in needed if not known & {(maker, schema.name, on, each), (maker, "", on, each)}
                )
                if left and maker not in who:
                    yield on, schema.name, maker, left


def too_much(facts: Facts) -> tuple[Finding, ...]:
    """Return the rights that are too much, whatever they come from."""
    found = [
        Finding(part=part, role=role.name, much=True, text=text)
        for part, role in facts.roles
        for text in _too_much(facts, part, role)
    ]
    return tuple(found)


def _too_much(facts: Facts, part: Part, role: Role) -> Iterator[str]:
    if role.superuser:
        yield "is a superuser"
        return
    if role.creates_roles:
        yield "may create roles (CREATEROLE)"
    if role.creates_databases and part is not Part.OWNER:
        yield "may create databases (CREATEDB)"
    if role.bypasses_rls and part is not Part.BACKUP:
        yield "sees past row-level security (BYPASSRLS)"
    if role.replicates and part is not Part.BACKUP:
        yield "may read the whole server's log (REPLICATION)"
    yield from _members(facts, part, role)
    if part in _SERVES:
        owned = [thing for thing in facts.things if thing.owner in (role.name, *role.reaches)]
        if owned:
            yield f"owns {named(owned)}, and may drop that"
        for (privileges, via), things in excess(facts, part, role).items():
            by = "" if via == role.name else f", by {via}"
            yield f"may {', '.join(privileges)} {named(things)}{by}"
        yield from _defaults_too_much(facts, part, role)


def _members(facts: Facts, part: Part, role: Role) -> Iterator[str]:
    others = {each.name: which for which, each in facts.roles if each.name != role.name}
    for name in role.reaches:
        if name in facts.superusers:
            yield f"is a member of {name}, a superuser"
        elif name in _POWERS:
            yield f"is a member of {name}"
        elif name in others and others[name] not in _MAY_BE[part]:
            yield f"is a member of {name}, the {others[name].value}"


def excess(facts: Facts, part: Part, role: Role) -> dict[tuple[tuple[str, ...], str], list[Thing]]:
    """Return what is given to one that serves beyond what it needs: things by the privileges and by whom they come."""
    found: dict[tuple[tuple[str, ...], str], list[Thing]] = {}
    who = ("PUBLIC", role.name, *role.reaches)
    for thing in facts.things:
        fine = {*_allowed(part, thing)}
        for via in who if thing.owner not in who else ():
            given = tuple(right for grantee, right in thing.given if grantee == via and right not in fine)
            if given:
                found.setdefault((given, via), []).append(thing)
    return found


def _allowed(part: Part, thing: Thing) -> Iterable[str]:
    """Return the privileges that do no harm to have, on top of those that are needed."""
    needed = wanted(Part.WRITER if part is Part.RUNTIME else part, thing)
    if thing.kind is Kind.COLUMN:
        needed = wanted(Part.WRITER if part is Part.RUNTIME else part, _table(thing))
    return (*needed, "CONNECT", "TEMPORARY", "USAGE" if thing.kind is Kind.SCHEMA else "SELECT", "EXECUTE")


def _table(thing: Thing) -> Thing:
    return Thing(kind=Kind.TABLE, name=thing.name, owner=thing.owner, ours=thing.ours)


def _defaults_too_much(facts: Facts, part: Part, role: Role) -> Iterator[str]:
    who = ("PUBLIC", role.name, *role.reaches)
    kinds = {"TABLES": Kind.TABLE, "SEQUENCES": Kind.SEQUENCE}
    found: dict[tuple[str, str, str], list[str]] = {}
    for each in facts.defaults:
        made = Thing(kind=kinds[each.on], name="", owner="", ours=each.schema == "dbtasks")
        if each.role in who and each.privilege not in _allowed(part, made):
            found.setdefault((each.on, each.maker, each.schema), []).append(each.privilege)
    for (on, maker, schema), privileges in found.items():
        where = f" in {schema}" if schema else ""
        yield f"may {', '.join(privileges)} {on.lower()} that {maker} will make{where}"
