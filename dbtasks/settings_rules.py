"""What must hold within a tier and between the tiers, beyond each key on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbtasks.settings_fields import Fields
from dbtasks.settings_keys import DEPRECATED_FLAG
from dbtasks.tiers import BackupEngine, Consent, Embedded, Loss, RecoveryEngine, Tier, words
from dbtasks.values import dataclass
from dbtasks.wording import nearest, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A tier as read, with the fields that it was read from.

    `certain` is false when its consent or what it may lose could not be read, so that nothing follows from them.
    """

    tier: Tier
    fields: Fields
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A word that only one tier may use. `space` says which words must differ; `text` is compared, `written` shown."""

    space: str
    text: str
    written: str
    key: str


def check_each(draft: Draft, *, demo: bool) -> None:
    """Note the contradictions within one tier."""
    tier, fields = draft.tier, draft.fields
    if draft.certain and tier.consent is Consent.PERSON:
        _check_person(tier, fields, demo=demo)
    if draft.certain and tier.may_lose is Loss.NOTHING and tier.consent is Consent.NONE:
        fields.note("consent", "a tier that may lose nothing needs consent. Write person.")
    if draft.certain and tier.may_lose is Loss.NOTHING and tier.backup.engine is BackupEngine.COPY:
        text = "a copy needs a database that nobody is connected to, and dies with its server. Write engine: pg_dump."
        fields.note("backup", text)
    if tier.runtime_markers and "runtime_url" not in fields:
        fields.note("runtime", "a managed runtime needs a URL of its own. Add runtime_url: database_runtime_url.")
    if tier.flag == DEPRECATED_FLAG:
        fields.note("flag", f"{DEPRECATED_FLAG} is an old word for the default tier. Choose another name.")
    if draft.certain and tier.consent is not Consent.PERSON:
        _check_without_person(tier, fields)
    if tier.name in tier.aliases:
        fields.note("aliases", f"{quoted(tier.name)} is this tier's name already. Delete it.", item=tier.name)
    if tier.backup.engine is BackupEngine.PGBACKREST and not tier.recovery.stanza:
        fields.note("backup", "pgBackRest knows each server by a name. Add stanza under recovery.")
    _check_recovery(tier, fields.section("recovery"))
    _check_urls(tier, fields)
    if tier.hardening.passes and tier.hardening.passes in tier.hardening.people:
        text = "the role that may drop is not one that people log in as. Take it out."
        fields.section("harden").note("people", text, item=tier.hardening.passes)


def _check_urls(tier: Tier, fields: Fields) -> None:
    """Note a variable that is to hold two of a tier's URLs."""
    if tier.runtime_url_variable and tier.runtime_url_variable.lower() == tier.url_variable.lower():
        fields.note("runtime_url", "the same variable as url. A managed runtime has a role of its own: name another.")
    others = [name.lower() for name in (tier.url_variable, tier.runtime_url_variable) if name]
    if tier.admin_url_variable and tier.admin_url_variable.lower() in others:
        fields.note(
            "admin_url", "a variable that is in use already. An administrator has a role of its own: name another."
        )
    taken = {*others, *([tier.admin_url_variable.lower()] if tier.admin_url_variable else [])}
    for part, variable in tier.roles.variables:
        if variable.lower() in taken:
            text = "is a variable in use already. Name another."
            fields.section("roles").note(f"{part.value}_url", text)
        taken.add(variable.lower())


def _check_recovery(tier: Tier, fields: Fields) -> None:
    recovery = tier.recovery
    if recovery.archive and recovery.fetch:
        fields.note("fetch", "says nothing beside archive. Leave out one of the two.")
    for name in recovery.fetch and ("name", "path"):
        if not any(f"{{{name}}}" in word for word in recovery.fetch):
            fields.note("fetch", f"does not say where {{{name}}} belongs. Write it into one of the words.")
    nowhere = not (recovery.archive or recovery.fetch) and tier.embedded is not Embedded.DURABLE
    if recovery.engine is RecoveryEngine.PGBACKREST and not recovery.stanza:
        fields.note("engine", "pgBackRest knows each server by a name. Add stanza.")
    if recovery.engine is RecoveryEngine.ARCHIVE and nowhere:
        fields.note(
            "engine", "an archive lies somewhere. Add archive, its folder, or fetch, the command that reads it."
        )
    by_provider = recovery.engine is RecoveryEngine.SUPABASE
    if by_provider and not recovery.token:
        fields.note("engine", "Supabase is asked with a token. Add token: the variable that holds it.")
    for key in ("archive", "fetch", "base") if by_provider else ("token",):
        if key in fields:
            beside = "beside engine: supabase" if by_provider else "without engine: supabase"
            fields.note(key, f"says nothing {beside}. Leave it out.")


def _check_without_person(tier: Tier, fields: Fields) -> None:
    if tier.approvals:
        fields.note("approvals", "are for a tier that needs a person. Write consent: person, or leave them out.")
    if tier.arming:
        fields.note("arming", "is for a tier that needs a person. Write consent: person, or leave it out.")


def _check_person(tier: Tier, fields: Fields, *, demo: bool) -> None:
    if "flag" not in fields:
        fields.note("consent", "a person's consent needs a flag as well. Add, for example, flag: USE_PROD_DATABASE.")
    if tier.scripts_may_answer:
        fields.note("scripts_may_answer", "no script answers where a person must consent. Write false.")
    if tier.embedded is not Embedded.NEVER and not demo:
        fields.note("embedded", "a tier that needs a person uses no embedded server. Write never.")


def check_between(drafts: Sequence[Draft]) -> None:
    """Note each word that two tiers claim, at the later one."""
    owners: dict[tuple[str, str], Tier] = {}
    for draft in drafts:
        for claim in _claims(draft):
            owner = owners.setdefault((claim.space, claim.text), draft.tier)
            if owner is not draft.tier:
                what = "this" if claim.space == "URL variable" else quoted(claim.written)
                text = f"{what} is already the {claim.space} of tier {owner.name}. Write another."
                draft.fields.note(claim.key, text, item=claim.written)


def _claims(draft: Draft) -> Iterator[Claim]:
    tier = draft.tier
    yield Claim(space="name or alias", text=tier.name, written=tier.name, key="")
    for alias in tier.aliases:
        yield Claim(space="name or alias", text=alias, written=alias, key="aliases")
    yield Claim(space="label", text=tier.label, written=tier.label, key="label")
    if tier.flag:
        yield Claim(space="flag", text=tier.flag, written=tier.flag, key="flag")
    named = {"url": tier.url_variable, "runtime_url": tier.runtime_url_variable, "admin_url": tier.admin_url_variable}
    for key, variable in named.items():
        if variable:
            yield Claim(space="URL variable", text=variable.lower(), written=variable, key=key)
    for word in sorted(tier.name_words):
        yield Claim(space="word", text=word, written=word, key="name_has_word")


def check_project(top: Fields, project: str | None, drafts: Sequence[Draft]) -> None:
    """Note where the name of an embedded database, `<project>_<tier>`, would break the tiers' own name rules."""
    for draft in drafts:
        tier = draft.tier
        if project is not None and (shared := sorted(words(project) & tier.name_words)):
            text = f"holds {quoted(shared[0])}, a word by which tier {tier.name} knows its databases. Choose another."
            top.note("project", text)
        if tier.embedded is Embedded.NEVER:
            continue
        if tier.name_words and not tier.fits(tier.name):
            name = f"<project>_{tier.name}"
            draft.fields.note("name_has_word", f"the embedded database {name} has none of these words. Add one it has.")
        for other in drafts:
            if other is not draft and other.tier.fits(tier.name):
                text = f"by this name its embedded database would pass for {other.tier.name}. Choose another name."
                draft.fields.note("", text)


def check_variables(
    fields: Fields, names: Sequence[str], url_variables: Sequence[str], drafts: Sequence[Draft]
) -> None:
    """Note each variable of the revisions that no worker ever gets, or that is its URL."""
    tiers = [draft.tier for draft in drafts]
    taken = {name.upper() for tier in tiers for name in (*tier.url_variables, tier.flag) if name}
    for name in names:
        if name in url_variables:
            fields.note("variables", "this one is in url_variables already. Delete it here.", item=name)
        elif name.upper() in taken or name.upper().startswith(("PG", "DBTASKS_")):
            text = "revisions never get this one, since it could lead to another database. Delete it."
            fields.note("variables", text, item=name)


def check_scratch(fields: Fields, name: str, drafts: Sequence[Draft]) -> None:
    """Note a scratch server that a tier lives on, by its variable: a rehearsal writes there without a question."""
    tiers = [draft.tier for draft in drafts]
    taken = {each.upper() for tier in tiers for each in tier.url_variables}
    if name.upper() in taken:
        fields.note("scratch", "this one leads to a tier. Name the variable of a server that holds none.")


def check_backups(fields: Fields) -> None:
    """Note two places for backups where one counts."""
    if "bucket" in fields and "folder" in fields:
        fields.note("folder", "backups lie in the bucket. Leave out one of the two.")


def check_histories(fields: Fields, histories: Sequence[tuple[str, str]]) -> None:
    """Note what several histories cannot share. Each comes as its name and its version table."""
    if not histories:
        return
    for name in ("config", "section", "version_table", "program", "first"):
        if name in fields:
            where = "Write it into each of the histories." if name in _OF_A_HISTORY else "Leave out one of the two."
            fields.note(name, f"says nothing where there are histories. {where}")
    tables: dict[str, str] = {}
    for name, table in histories:
        owner = tables.setdefault(table, name)
        if owner != name:
            text = f"{owner} and {name} have one version table. Write each one's own: version_table."
            fields.note("histories", text)
        for other, theirs in histories:
            if table != theirs and table == theirs.rpartition(".")[2]:  # it is looked for in every schema
                text = f"{name}'s version table {table} cannot be told from {other}'s, {theirs}."
                fields.note("histories", f"{text} Write it with its schema, for example public.{table}.")


_OF_A_HISTORY = ("config", "section", "version_table")


def check_default(top: Fields, name: str | None, ordered: Sequence[Draft]) -> Tier | None:
    """Return the tier that is meant when none is named: the one called `name`, else the first in the order."""
    if not ordered or ("default" in top and name is None):
        return None
    known = {draft.tier.name: draft for draft in ordered}
    draft = known.get(name) if name else ordered[0]
    if draft is None:
        text = f"no tier is called {quoted(name or '')}.{nearest(name or '', known)} The tiers are: {', '.join(known)}."
        top.note("default", text)
        return None
    tier = draft.tier
    if draft.certain and (tier.consent is not Consent.NONE or tier.may_lose is not Loss.EVERYTHING):
        text = f"tests run on the default, so {tier.name} would need consent: none and may_lose: everything."
        top.note("default", f"{text} Name another tier.")
    return tier
