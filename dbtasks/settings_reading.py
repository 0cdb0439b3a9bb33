"""From the text of `config/tiers.yaml` to `Settings`, through every rule, with every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PureWindowsPath

from dbtasks.project_files import read_project_file
from dbtasks.rotation import NEVER, Rotation
from dbtasks.settings import SETTINGS_FILE, SIGNERS_FILE, BackupSettings, MigrationSettings, Settings, StockLimits
from dbtasks.settings_access import read_hardening, read_limits, read_roles
from dbtasks.settings_fields import Fields
from dbtasks.settings_keys import CONSENTS, LOSSES, TOP_KEYS
from dbtasks.settings_order import in_order
from dbtasks.settings_people import read_allowed, read_groups, read_people
from dbtasks.settings_rules import (
    Draft,
    check_backups,
    check_between,
    check_default,
    check_each,
    check_histories,
    check_project,
    check_scratch,
    check_variables,
)
from dbtasks.signers_file import signers_digest
from dbtasks.tiers import (
    BackupEngine,
    BackupPolicy,
    Colour,
    Consent,
    Embedded,
    Loss,
    Marker,
    Patience,
    Recovery,
    RecoveryEngine,
    Tier,
    words,
)
from dbtasks.yaml_nodes import Findings, parse

_LOSS = dict(zip(LOSSES, (Loss.EVERYTHING, Loss.ASKED, Loss.NOTHING), strict=True))
_CONSENT = dict(zip(CONSENTS, (Consent.NONE, Consent.QUESTION, Consent.PERSON), strict=True))
_COLOUR = {Consent.NONE: Colour.GREEN, Consent.QUESTION: Colour.YELLOW, Consent.PERSON: Colour.RED}


def read(root: Path) -> Settings:
    """Return the settings in `root`; `SettingsError` holds every mistake."""
    file = root / SETTINGS_FILE
    shown = SETTINGS_FILE.as_posix()
    findings = Findings(file=shown)
    text = read_project_file(root, file, shown=shown).text
    settings = _settings(root, Fields(parse(text, findings), TOP_KEYS, "", findings))
    if findings.mistakes or settings is None:
        raise findings.error()
    return settings


def _settings(root: Path, top: Fields) -> Settings | None:
    project, demo = top.text("project"), top.truth("demo")
    people = read_people(top)
    groups = read_groups(top, people)
    drafts = [_draft(name, fields, groups) for name, fields in top.sections("tiers").items()]
    for draft in drafts:
        check_each(draft, demo=demo)
    check_between(drafts)
    check_project(top, project, drafts)
    ordered = in_order(drafts)
    default = check_default(top, top.text("default"), ordered)
    fields = top.section("migrations")
    migrations = _migrations(root, fields)
    check_histories(fields, [(each.name, each.version_table) for each in migrations.histories])
    check_variables(fields, migrations.variables, migrations.url_variables, drafts)
    check_scratch(fields, migrations.scratch, drafts)
    seeds, trail = _path(root, top, "seeds"), _path(root, top, "trail")
    agent_markers = top.section("agents").texts("markers") or ()
    stock, rotation = _stock(top.section("stock")), _rotation(top.section("trail_files"))
    backups = _backups(root, top.section("backups"))
    incident = top.section("incident")
    contacts, incidents = incident.texts("contacts") or (), _path(root, incident, "folder")
    if project is None or default is None:
        return None
    tiers = _with_signers(root, [draft.tier for draft in ordered])
    return Settings(
        root=root,
        file=root / SETTINGS_FILE,
        project=project,
        tiers=tiers,
        default=next(tier for tier in tiers if tier.name == default.name),
        migrations=migrations,
        seeds=seeds,
        trail=trail,
        backups=backups,
        agent_markers=agent_markers,
        stock=stock,
        rotation=rotation,
        contacts=contacts,
        incidents=incidents,
        demo=demo,
        people=people,
    )


def _with_signers(root: Path, tiers: list[Tier]) -> tuple[Tier, ...]:
    """Return the tiers; those that need a person know who may sign. Mistakes are told where signatures count."""
    file = root / SIGNERS_FILE
    if not (file.exists() or file.is_symlink()):
        return tuple(tiers)
    known = signers_digest(read_project_file(root, file, shown=SIGNERS_FILE.as_posix()).text)
    return tuple(replace(tier, signers_digest=known) if tier.consent is Consent.PERSON else tier for tier in tiers)


def _stock(fields: Fields) -> StockLimits:
    most, size = fields.text("most"), fields.text("size")
    usual = StockLimits()
    return StockLimits(
        databases=int(most.split()[0]) if most else usual.databases,
        size_bytes=_size(size) if size else usual.size_bytes,
        by_hand=fields.truth("by_hand"),
    )


def _rotation(fields: Fields) -> Rotation:
    size, age = fields.text("size"), fields.text("age")
    if not size and not age:
        return NEVER
    return Rotation(size_bytes=_size(size) if size else None, age=_time(age) if age else None)


def _size(text: str) -> int:
    """Return the bytes that a checked text names.

    >>> _size("100 MB")
    100000000
    """
    number, unit = text.split(" ")
    return int(number) * {"MB": 10**6, "GB": 10**9}[unit]


def _backups(root: Path, fields: Fields) -> BackupSettings:
    bucket, jobs = fields.text("bucket") or "", fields.text("jobs")
    check_backups(fields)
    return BackupSettings(
        folder=root / (fields.text("folder") or ".dbtasks/backups"),
        bucket=bucket,
        recipients=fields.texts("recipients") or (),
        identity=fields.text("identity") or "",
        jobs=int(jobs.split()[0]) if jobs else 1,
    )


def _draft(name: str, fields: Fields, groups: Mapping[str, frozenset[str]]) -> Draft:
    """Return the tier as far as it can be read; what is wrong is read as the strictest value."""
    said_consent, said_loss = fields.text("consent"), fields.text("may_lose")
    consent = _CONSENT.get(said_consent or "", Consent.PERSON)
    colour = fields.text("colour")
    markers = fields.section("runtime").markers("markers")
    tier = Tier(
        name=name,
        label=_label(name, fields),
        colour=Colour(colour) if colour else _COLOUR[consent],
        url_variable=fields.text("url") or "",
        may_lose=_LOSS.get(said_loss or "", Loss.NOTHING),
        consent=consent,
        aliases=fields.texts("aliases") or (),
        flag=fields.text("flag"),
        scripts_may_answer=fields.truth("scripts_may_answer"),
        name_words=_name_words(name, fields),
        after=fields.text("after"),
        seeds=fields.texts("seeds") or (),
        retention=_time(fields.text("retention") or "7 days"),
        patience=_patience(fields.section("migrate")),
        recovery=_recovery(fields.section("recovery")),
        backup=_backup(fields.section("backup")),
        approvals=int((fields.text("approvals") or "0").split()[0]),
        approve_within=_time(fields.text("approve_within") or "24 hours"),
        embedded=Embedded(fields.text("embedded") or "never"),
        runtime_url_variable=fields.text("runtime_url"),
        runtime_markers=tuple(Marker(variable=variable, value=value) for variable, value in markers.items()),
        allow=read_allowed(fields, groups),
        credential=fields.texts("credential") or (),
        admin_url_variable=fields.text("admin_url"),
        hardening=read_hardening(fields.section("harden")),
        limits=read_limits(fields.section("limits")),
        arming=fields.truth("arming"),
        roles=read_roles(fields.section("roles")),
    )
    return Draft(tier=tier, fields=fields, certain=None not in (said_consent, said_loss))


def _label(name: str, fields: Fields) -> str:
    if "label" not in fields and len(name) > 8:
        fields.note("label", f"missing, and {name!r} is too long for one. Write at most 8 capital letters or digits.")
    return fields.text("label") or name.upper()


def _name_words(name: str, fields: Fields) -> frozenset[str]:
    if "name_has_word" not in fields:
        return words(name)
    found = fields.texts("name_has_word")
    if found == ():
        fields.note("name_has_word", "no word, so that no database's name would do. Write at least one.")
    return frozenset(found or ())


def _patience(fields: Fields) -> Patience:
    usual = Patience()
    lock, statement, wait = (fields.text(name) for name in ("lock_timeout", "statement_timeout", "wait"))
    tries = fields.text("tries")
    return Patience(
        lock_timeout=_time(lock) if lock else usual.lock_timeout,
        statement_timeout=_time(statement) if statement else usual.statement_timeout,
        tries=int(tries.split()[0]) if tries else usual.tries,
        wait=_time(wait) if wait else usual.wait,
    )


def _recovery(fields: Fields) -> Recovery:
    engine = fields.text("engine")
    return Recovery(
        engine=RecoveryEngine(engine) if engine else None,
        archive=fields.text("archive") or "",
        fetch=fields.texts("fetch") or (),
        base=fields.text("base") or "",
        stanza=fields.text("stanza") or "",
        config=fields.text("config") or "",
        keep=_time(fields.text("keep") or "7 days"),
        token=fields.text("token") or "",
        renew=_time(fields.text("renew") or "30 days"),
    )


def _backup(fields: Fields) -> BackupPolicy:
    usual = BackupPolicy()
    engine, keep, age, full = (fields.text(name) for name in ("engine", "keep", "age", "full"))
    return BackupPolicy(
        engine=BackupEngine(engine) if engine else usual.engine,
        keep=int(keep.split()[0]) if keep else usual.keep,
        age=_time(age) if age else usual.age,
        full=_time(full) if full else usual.full,
    )


def _time(text: str) -> timedelta:
    """Return the time that a checked text names.

    >>> _time("12 hours"), _time("1 day"), _time("none")
    (datetime.timedelta(seconds=43200), datetime.timedelta(days=1), datetime.timedelta(0))
    """
    if text == "none":
        return timedelta(0)
    number, unit = text.split(" ")
    return timedelta(**{f"{unit.rstrip('s')}s": int(number)})


def _migrations(root: Path, fields: Fields) -> MigrationSettings:
    url_variables, python = fields.texts("url_variables"), fields.text("python")
    whole = replace(
        _history(root, fields, ""),
        url_variables=("DATABASE_URL",) if url_variables is None else url_variables,
        variables=fields.texts("variables") or (),
        scratch=fields.text("scratch") or "",
        check=fields.texts("check") or (),
        ignore_models=fields.truth("ignore_models"),
        # Not resolved: a virtual environment is known by where its link to Python lies.
        python=root / python if python else None,
        program=fields.texts("program") or (),
        first=_path(root, fields, "first") if "first" in fields else None,
    )
    inner = fields.sections("histories")
    histories = [(name, _history(root, each, name)) for name, each in inner.items()]
    several = tuple(
        replace(whole, name=name, config=each.config, section=each.section, version_table=each.version_table)
        for name, each in histories
    )
    return replace(whole, histories=several)


def _history(root: Path, fields: Fields, name: str) -> MigrationSettings:
    return MigrationSettings(
        config=_path(root, fields, "config"),
        section=fields.text("section") or "alembic",
        version_table=fields.text("version_table") or "alembic_version",
        name=name,
    )


_PATH_DEFAULTS = {
    "first": "migrations/first_tables.py",
    "config": "alembic.ini",
    "seeds": "seeds",
    "trail": "logs/database_audit.jsonl",
    "folder": "docs/incidents",
}


def _path(root: Path, fields: Fields, name: str) -> Path:
    text = fields.text(name) or _PATH_DEFAULTS[name]
    path = root / text
    if _leaves(root, text):
        advice = f"Write a path from its top folder, for example {name}: {_PATH_DEFAULTS[name]}."
        fields.note(name, f"leads out of the project. {advice}")
    return path


def _leaves(root: Path, text: str) -> bool:
    if text.startswith("~") or PureWindowsPath(text).anchor or ".." in re.split(r"[/\\]", text):
        return True
    try:
        return not (root / text).resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return True
