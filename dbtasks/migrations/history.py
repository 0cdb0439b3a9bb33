"""The project's revisions as values, read without importing Alembic and without running a line of the project's code.

A revision file that computes its own identifiers cannot be read this way; then the worker is asked instead.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dbtasks.errors import Mistake, SettingsError
from dbtasks.migration_errors import MigrationHistoryError
from dbtasks.migrations.script_cache import ScriptCache
from dbtasks.migrations.scripts import Script, read_first, read_script, revision_files
from dbtasks.settings import MigrationSettings
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision. `path` is relative to the project's root, `checksum` the sha256 of the file's bytes."""

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    path: Path
    checksum: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All revisions, each after those that it needs, always in the same order; and those that nothing follows."""

    revisions: tuple[Revision, ...]
    heads: tuple[str, ...]

    def pending(self, current: frozenset[str]) -> tuple[Revision, ...]:
        """Return what a database at `current` lacks, in the order to apply it.

        `MigrationHistoryError` when `current` names a revision that the code does not have.
        """
        known = {revision.id: revision for revision in self.revisions}
        unknown = sorted(current - known.keys())
        if unknown:
            raise MigrationHistoryError(unknown)
        names = _names(self.revisions)
        applied: set[str] = set()
        waiting = list(current)
        while waiting:
            each = waiting.pop()
            if each not in applied:
                applied.add(each)
                waiting.extend(_needs(known[each], names))
        return tuple(revision for revision in self.revisions if revision.id not in applied)


def read_history(
    root: Path,
    settings: MigrationSettings,
    *,
    environ: Mapping[str, str] | None = None,
) -> History:
    """Return the project's revisions; `SettingsError` holds every mistake with its file and line.

    Several histories follow each other in the order of the settings, each revision's id after its history's name.
    `environ` (already scrubbed) is for the worker, which is started only when a file is not literal; without it such a
    file is a mistake.
    """
    cache = ScriptCache(root)
    found = [_read(root, each, cache, environ) for each in settings.each]
    cache.save()
    return History(
        revisions=tuple(revision for history in found for revision in history.revisions),
        heads=tuple(head for history in found for head in history.heads),
    )


def _read(root: Path, settings: MigrationSettings, cache: ScriptCache, environ: Mapping[str, str] | None) -> History:
    files = revision_files(root, settings)
    read = [read_script(root, file, cache) for file in files]
    mistakes = [each for each in read if isinstance(each, Mistake)]
    if mistakes:
        raise SettingsError(mistakes)
    scripts = [each for each in read if isinstance(each, Script)]
    if len(scripts) < len(files):
        scripts = _ask(root, settings, environ, files)
    if settings.first is not None and scripts:
        first = read_first(root, settings.first)
        scripts = [first, *(each if each.down else replace(each, down=(first.id,)) for each in scripts)]
    return build(root, [_named(each, settings.prefix) for each in scripts])


def build(root: Path, scripts: Sequence[Script]) -> History:
    """Return the history that these scripts make, or raise `SettingsError` with all that is wrong among them."""
    by_id: dict[str, Script] = {}
    mistakes: list[Mistake] = []
    for script in scripts:
        first = by_id.setdefault(script.id, script)
        if first is not script:
            text = f"revision {script.id!r} is also in {_relative(root, first.path)}. Give one of them a new id."
            mistakes.append(Mistake(file=_relative(root, script.path), line=script.line, text=text))
    revisions = [_revision(root, script) for script in by_id.values()]
    names = _names(revisions)
    mistakes += [_dangling(root, script, each) for script in by_id.values() for each in _wanted(script, names)]
    if mistakes:
        raise SettingsError(mistakes)
    ordered = _order(revisions, names)
    if len(ordered) < len(revisions):
        placed = {revision.id for revision in ordered}
        raise SettingsError([_cycle(root, script) for script in by_id.values() if script.id not in placed])
    followed = {name for revision in revisions for name in _needs(revision, names)}
    heads = tuple(revision.id for revision in ordered if revision.id not in followed)
    return History(revisions=ordered, heads=heads)


def _ask(
    root: Path,
    settings: MigrationSettings,
    environ: Mapping[str, str] | None,
    files: Sequence[Path],
) -> list[Script]:
    if environ is None:
        computed = [file for file in files if read_script(root, file, ScriptCache(root)) is None]
        text = "its revision ids are computed, so they can be learned only by running it. Write them as plain strings."
        raise SettingsError([Mistake(file=_relative(root, file), text=text) for file in computed])
    from dbtasks.migrations.asking import ask_history  # late: reading a literal history starts no process

    return ask_history(root, settings, environ=environ)


def _named(script: Script, prefix: str) -> Script:
    """Return a script as it is called where there are several histories."""
    if not prefix:
        return script
    down, depends_on, labels = (
        tuple(f"{prefix}{each}" for each in names) for names in (script.down, script.depends_on, script.labels)
    )
    return replace(script, id=f"{prefix}{script.id}", down=down, depends_on=depends_on, labels=labels)


def _revision(root: Path, script: Script) -> Revision:
    return Revision(
        id=script.id,
        down=script.down,
        depends_on=script.depends_on,
        labels=script.labels,
        path=Path(_relative(root, script.path)),
        checksum=script.checksum,
        message=script.message,
    )


def _names(revisions: Sequence[Revision]) -> dict[str, str]:
    """Return the revision id for everything that `down_revision` or `depends_on` may name: an id or a branch label."""
    labels = {label: revision.id for revision in revisions for label in revision.labels}
    return labels | {revision.id: revision.id for revision in revisions}


def _needs(revision: Revision, names: Mapping[str, str]) -> list[str]:
    return [names[each] for each in (*revision.down, *revision.depends_on)]


def _order(revisions: Sequence[Revision], names: Mapping[str, str]) -> tuple[Revision, ...]:
    """Return the revisions, each after what it needs; those in a cycle are left out. Ties go by id."""
    known = {revision.id: revision for revision in revisions}
    missing = {revision.id: len(set(_needs(revision, names))) for revision in revisions}
    followers: dict[str, list[str]] = {}
    for revision in revisions:
        for need in set(_needs(revision, names)):
            followers.setdefault(need, []).append(revision.id)
    ready = [each for each, count in missing.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Revision] = []
    while ready:
        each = heapq.heappop(ready)
        ordered.append(known[each])
        for follower in followers.get(each, ()):
            missing[follower] -= 1
            if missing[follower] == 0:
                heapq.heappush(ready, follower)
    return tuple(ordered)


def _wanted(script: Script, names: Mapping[str, str]) -> list[str]:
    return [each for each in (*script.down, *script.depends_on) if each not in names]


def _dangling(root: Path, script: Script, wanted: str) -> Mistake:
    text = f"revision {script.id!r} follows {wanted!r}, which no file has. Restore that file or correct the id."
    return Mistake(file=_relative(root, script.path), line=script.down_line, text=text)


def _cycle(root: Path, script: Script) -> Mistake:
    text = f"revision {script.id!r} comes after itself, by way of {', '.join((*script.down, *script.depends_on))}."
    return Mistake(file=_relative(root, script.path), line=script.down_line, text=text)


def _relative(root: Path, path: Path) -> str:
    whole, folder = path.as_posix(), f"{root.as_posix()}/"
    if whole.startswith(folder):  # nearly always, and a tenth of what pathlib takes for hundreds of files
        return whole.removeprefix(folder)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
