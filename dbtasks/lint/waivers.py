"""What a team has looked at and lets pass, until a day: `config/waivers.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from dbtasks.lint.findings import Finding
from dbtasks.values import dataclass
from dbtasks.yaml_nodes import Findings, Listing, Mapping, Node, Scalar, parse

WAIVERS_FILE = Path("config", "waivers.yaml")

_KEYS = ("rule", "revision", "reason", "expires")
_SHORTEST_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Findings of one rule in one revision (or one file, by its path) that count no more, up to and with a day."""

    rule: str
    revision: str
    reason: str
    expires: date


def read_waivers(root: Path, rules: frozenset[str]) -> tuple[Waiver, ...]:
    """Return the project's waivers, none where there is no file. SettingsError with all that is wrong in it."""
    file = root / WAIVERS_FILE
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError):
        findings = Findings(file=WAIVERS_FILE.as_posix())
        findings.add(None, "", "the file cannot be read as UTF-8 text.")
        raise findings.error() from None
    findings = Findings(file=WAIVERS_FILE.as_posix())
    root_node = parse(text, findings, begin="List waivers in it, or remove it.")
    waivers = _listed(root_node, rules, findings)
    if findings.mistakes:
        raise findings.error()
    return waivers


def _listed(root: Mapping, rules: frozenset[str], findings: Findings) -> tuple[Waiver, ...]:
    pair = root.pairs.get("waivers")
    for name, each in root.pairs.items():
        if name != "waivers":
            findings.add(each.place, name, "expected the key waivers alone.")
    if pair is None or not isinstance(pair.value, Listing):
        findings.add(pair.place if pair else root.place, "waivers", "expected a list of waivers.")
        return ()
    read = [_waiver(each, f"waivers.{at}", rules, findings) for at, each in enumerate(pair.value.items)]
    return tuple(each for each in read if each is not None)


def _waiver(node: Node, path: str, rules: frozenset[str], findings: Findings) -> Waiver | None:
    if not isinstance(node, Mapping):
        findings.add(node.place, path, f"expected the keys {', '.join(_KEYS)}.")
        return None
    values = {}
    for name in _KEYS:
        pair = node.pairs.get(name)
        if pair is None or not isinstance(pair.value, Scalar) or not pair.value.text.strip():
            findings.add(
                pair.place if pair else node.place, f"{path}.{name}", "expected a text, and every key is needed."
            )
        else:
            values[name] = pair.value
    for name, pair in node.pairs.items():
        if name not in _KEYS:
            findings.add(pair.place, f"{path}.{name}", f"expected one of {', '.join(_KEYS)}.")
    if len(values) < len(_KEYS):
        return None
    expires = _day(values["expires"], path, findings)
    if values["rule"].text not in rules:
        findings.add(values["rule"].place, f"{path}.rule", "there is no rule of this name. See docs/rules.md.")
    if len(values["reason"].text) < _SHORTEST_REASON:
        findings.add(values["reason"].place, f"{path}.reason", "expected a sentence that says why.")
    texts = {name: values[name].text for name in ("rule", "revision", "reason")}
    return Waiver(**texts, expires=expires) if expires else None


def _day(value: Scalar, path: str, findings: Findings) -> date | None:
    try:
        return date.fromisoformat(value.text)
    except ValueError:
        findings.add(value.place, f"{path}.expires", "expected a day, as in 2026-12-31.")
        return None


def waived(finding: Finding, name: str, waivers: Sequence[Waiver], today: date) -> Finding:
    """Return the finding as the waivers leave it. `name` is the file's, for statements of no revision."""
    where = finding.revision or name
    fitting = [each for each in waivers if (each.rule, each.revision) == (finding.rule, where)]
    valid = next((each for each in fitting if each.expires >= today), None)
    if valid is not None:
        return replace(finding, waived=f"{valid.reason} (until {valid.expires})")
    return replace(finding, expired=str(max(each.expires for each in fitting))) if fitting else finding
