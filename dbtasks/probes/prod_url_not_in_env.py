"""Whether the way into what is real lies about in a file: every `.env` of the project is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values

from dbtasks.probes.ground import Ground
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Consent

ABOUT = About(
    name="prod_url_not_in_env",
    promise="no file of the project holds the URL of what is real, where every command and every agent finds it",
    critical=True,
    feature=False,
)
_SAMPLES = frozenset({".env.example", ".env.sample", ".env.template", ".env.dist"})


def look(ground: Ground) -> Iterator[Finding]:
    """Yield which file holds a URL of a tier that needs a person."""
    settings = ground.project.settings
    every = {
        name.lower(): tier for tier in settings.tiers if tier.consent is Consent.PERSON for name in tier.url_variables
    }
    files = [path for path in sorted(settings.root.glob(".env*")) if path.name not in _SAMPLES and not path.is_dir()]
    for path in files:
        try:
            found = _variables(path)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            yield unknown(f"{path.name} cannot be read: {why}")
            continue
        for name in found:
            tier = every.get(name.lower())
            if tier is not None:
                mend = f"Keep it in a secret store, and set {name} only where it is needed"
                yield failed(f"{path.name} holds {name}, which leads to {tier.label}", mend, tier.name)
    yield passed(f"looked for {', '.join(every) or 'nothing'} in {len(files)} files")


def _variables(path: Path) -> list[str]:
    """Return the names that are set in a file to something."""
    with path.open(encoding="utf-8") as stream:
        return [name for name, value in dotenv_values(stream=stream, interpolate=False).items() if value]
