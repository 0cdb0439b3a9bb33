"""A YAML mapping read key by key: each value checked against its row, each mistake noted with its place."""

from __future__ import annotations

import re

from dbtasks.settings_key import Key, Shape
from dbtasks.wording import HIDDEN, LONGEST_QUOTE, nearest, quoted
from dbtasks.yaml_nodes import Findings, Listing, Mapping, Node, Place, Refused, Scalar, is_plain, joined


class Fields:
    """The values of one mapping. A value that is wrong is noted and read as absent, so that reading goes on."""

    def __init__(self, mapping: Mapping, keys: tuple[Key, ...], path: str, findings: Findings) -> None:
        self.path = path
        self.findings = findings
        self._mapping = mapping
        self._keys = {key.name: key for key in keys}
        for name, pair in mapping.pairs.items():
            if name not in self._keys:
                known = f"{nearest(name, self._keys) or ' The keys here are: ' + ', '.join(self._keys) + '.'}"
                findings.add(pair.place, joined(path, name), f"unknown key.{known}")
        for key in keys:
            if key.required and key.name not in mapping.pairs:
                text = f"missing: {key.expected}. Write, for example, {key.name}: {key.example}."
                findings.add(mapping.place, joined(path, key.name), text)

    def __contains__(self, name: str) -> bool:
        return name in self._mapping.pairs

    def place(self, name: str, item: str | None = None) -> Place:
        """Return where the value of `name` stands, or within a list its item `item`, or else the mapping itself."""
        pair = self._mapping.pairs.get(name)
        if pair is None:
            return self._mapping.place
        if isinstance(pair.value, Listing):
            items = (node.place for node in pair.value.items if isinstance(node, Scalar) and node.text == item)
            return next(items, pair.value.place)
        return pair.value.place

    def note(self, name: str, text: str, *, item: str | None = None) -> None:
        """Note a mistake at the value of `name`, or at the mapping itself when `name` is empty."""
        self.findings.add(self.place(name, item), joined(self.path, name) if name else self.path, text)

    def text(self, name: str) -> str | None:
        """Return a text that matches its key's pattern or is one of its choices."""
        node = self._value(name)
        return None if node is None else self._text(node, self._keys[name], joined(self.path, name))

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of different texts that match the key's pattern."""
        key, node = self._keys[name], self._value(name)
        if node is None:
            return None
        if not isinstance(node, Listing):
            self._wrong(node, key, joined(self.path, name), "a list of ")
            return None
        found: list[str] = []
        for index, item in enumerate(node.items):
            path = joined(joined(self.path, name), index)
            text = self._text(item, key, path)
            if text is not None and text in found:
                self.findings.add(item.place, path, f"{quoted(text)} is there twice. Delete one.")
            elif text is not None:
                found.append(text)
        return tuple(found)

    def truth(self, name: str) -> bool:
        """Return a truth value; absent is false."""
        node = self._value(name)
        if isinstance(node, Scalar) and node.read_as in ("true", "false") and node.text.lower() == node.read_as:
            return node.read_as == "true"
        if node is not None:
            self._wrong(node, self._keys[name], joined(self.path, name))
        return False

    def section(self, name: str) -> Fields:
        """Return the fields of a section; one that is absent has no keys."""
        key, node, path = self._keys[name], self._value(name), joined(self.path, name)
        if node is not None and not isinstance(node, Mapping):
            self._wrong(node, key, path)
        mapping = node if isinstance(node, Mapping) else Mapping(pairs={}, place=self.place(name))
        return Fields(mapping, key.section, path, self.findings)

    def sections(self, name: str) -> dict[str, Fields]:
        """Return the fields of each section by its name, which matches the key's pattern."""
        key, path = self._keys[name], joined(self.path, name)
        found: dict[str, Fields] = {}
        for word, node in self._entries(name).items():
            inner = joined(path, word)
            if isinstance(node, Mapping):
                found[word] = Fields(node, key.section, inner, self.findings)
            elif not isinstance(node, Refused):
                text = f"expected keys with values, found {_found(node, secret=True)}."
                needed = [each.name for each in key.section if each.required]
                advice = f"Declare {', '.join(needed[:-1])} and {needed[-1]}." if needed else f"Write {key.example}."
                self.findings.add(node.place, inner, f"{text} {advice}")
        return found

    def markers(self, name: str) -> dict[str, str | None]:
        """Return texts by variable; no value is `None`."""
        path = joined(self.path, name)
        found: dict[str, str | None] = {}
        for variable, node in self._entries(name).items():
            match node:
                case Scalar(read_as="nothing"):
                    found[variable] = None
                case Scalar(read_as=None, text=text):
                    found[variable] = text
                case Refused():
                    pass
                case _:
                    text = f"expected a text, found {_found(node, secret=False)}. Put it in quotes."
                    self.findings.add(node.place, joined(path, variable), text)
        return found

    def lists(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return lists of texts by name; each name, and each text, matches the key's pattern."""
        key, path = self._keys[name], joined(self.path, name)
        found: dict[str, tuple[str, ...]] = {}
        for word, node in self._entries(name).items():
            inner = joined(path, word)
            if isinstance(node, Listing):
                texts = (self._text(item, key, joined(inner, index)) for index, item in enumerate(node.items))
                found[word] = tuple(text for text in texts if text is not None)
            elif not isinstance(node, Refused):
                text = f"expected a list, found {_found(node, secret=key.secret)}. Write, for example, {key.example}."
                self.findings.add(node.place, inner, text)
        return found

    def _entries(self, name: str) -> dict[str, Node]:
        key, node, path = self._keys[name], self._value(name), joined(self.path, name)
        if not isinstance(node, Mapping):
            if node is not None:
                self._wrong(node, key, path)
            return {}
        if not node.pairs:
            self.findings.add(node.place, path, f"empty: expected {key.expected}.")
        entries = {word: pair.value for word, pair in node.pairs.items() if is_plain(word)}
        for word, pair in node.pairs.items():
            if not re.fullmatch(key.pattern, word):
                text = f"found {quoted(word)}, expected {key.expected}. Choose another name."
                self.findings.add(pair.place, joined(path, word), text)
        return entries  # without names that may be secrets, since later rules quote names

    def _value(self, name: str) -> Node | None:
        pair = self._mapping.pairs.get(name)
        return None if pair is None or isinstance(pair.value, Refused) else pair.value

    def _text(self, node: Node, key: Key, path: str) -> str | None:
        if isinstance(node, Scalar) and node.read_as is None and _fits(node.text, key):
            return node.text
        if not isinstance(node, Refused):
            self._wrong(node, key, path)
        return None

    def _wrong(self, node: Node, key: Key, path: str, article: str = "") -> None:
        found = _found(node, secret=key.secret)
        text = f"expected {article}{key.expected}, found {found}.{_advice(node, key)}"
        self.findings.add(node.place, path, text)


def _fits(text: str, key: Key) -> bool:
    return text in key.choices if key.choices else re.fullmatch(key.pattern, text) is not None


def _found(node: Node, *, secret: bool) -> str:
    match node:
        case Listing():
            return "a list"
        case Mapping():
            return "keys with values"
        case Scalar(read_as="nothing"):
            return "nothing"
        case Scalar(text=""):
            return "an empty text"
        case Scalar(text=text, read_as=read_as) if not secret and read_as:
            written = text if len(text) <= LONGEST_QUOTE else "a long text"
            return f"the word {written}" if text.lower() == read_as else f"{written}, which YAML reads as {read_as}"
        case Scalar(text=text) if not secret:
            return quoted(text)
        case _:
            return HIDDEN


def _advice(node: Node, key: Key) -> str:
    if isinstance(node, Scalar) and key.shape is not Shape.TRUTH:
        if node.read_as not in (None, "nothing") and _fits(node.text, key):
            return f" Put it in quotes: '{node.text}'."
        if key.choices:
            return nearest(node.text, key.choices) or f" Write, for example, {key.name}: {key.example}."
        if key.secret:
            return (
                f" Put the URL into a variable and write that variable's name, for example {key.name}: {key.example}."
            )
    return f" Write, for example, {key.name}: {key.example}."
