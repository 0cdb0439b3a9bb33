"""Whether mistakes in the settings are found: broken copies of this project's own file go through the real reader."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dbtasks.errors import DbtasksError, Mistake, SettingsError
from dbtasks.probes.ground import Ground, first_line
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.settings import SETTINGS_FILE, SIGNERS_FILE, load
from dbtasks.survey import Files

ABOUT = About(
    name="configuration_validation",
    promise="a mistake in the settings is told with its line before anything is contacted, and what they name is there",
)
# What people really do: a slip in a key, a second copy of a section, a URL pasted where only a name belongs.
_FAULTS = {
    "a key that is no key": "\nscore_probe_key: 1\n",
    "a section twice": "\ntiers:\n  probe: {}\n",
    "a line that is no YAML": "\n}: {\n",
}


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether each planted mistake was found, and whether the files that the settings name can be read."""
    settings = ground.project.settings
    text = settings.file.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="dbtasks-score-") as folder:
        root = Path(folder).resolve()
        (root / SETTINGS_FILE).parent.mkdir()
        signers = settings.root / SIGNERS_FILE
        if signers.is_file():
            shutil.copy(signers, root / SIGNERS_FILE)
        if _mistakes(root, text):
            yield unknown("a copy of the settings cannot be read by itself, so no mistake can be planted in it")
            return
        for fault, more in _FAULTS.items():
            found = _mistakes(root, text + more)
            if not any(each.line and each.line > text.count("\n") for each in found):
                yield failed(f"{fault} at the end of {SETTINGS_FILE.as_posix()} was not found", ABOUT.page)
                return
    try:
        history = Files(ground.project).history
        Files(ground.project).seeds(tuple(dict.fromkeys(name for tier in settings.tiers for name in tier.seeds)))
    except DbtasksError as error:
        yield failed(f"the settings name what is not there: {first_line(error)}", "invoke check")
        return
    count = len(history.revisions)
    yield passed(
        f"{len(_FAULTS)} planted mistakes were found with their lines; {count} revisions and the seeds were read"
    )


def _mistakes(root: Path, text: str) -> tuple[Mistake, ...]:
    """Return what the real reader says against these settings, in a folder of their own."""
    (root / SETTINGS_FILE).write_text(text, encoding="utf-8")
    try:
        load(root)
    except SettingsError as error:
        return tuple(error.mistakes)
    return ()
