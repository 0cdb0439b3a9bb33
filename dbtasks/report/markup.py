"""HTML in which nothing that is shown can be more than text: whatever is no `Markup` is masked and escaped.

There is no other way into a page, so that no part of it has to remember to escape.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

from dbtasks.conninfo import mask
from dbtasks.tiers import Tier

# What no reader can see, or what turns the order of what stands around it.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Markup(str):
    """Text that is HTML already. `tag` and `join` make it; nothing that was read from anywhere may be made one."""

    __slots__ = ()


Content: TypeAlias = "Markup | str | int | Iterable[Content] | None"


def text(value: object) -> Markup:
    """Return what a value says, masked and escaped.

    >>> text("a<b> postgresql://anna:pw@db/x")
    'a&lt;b&gt; postgresql://anna:***@db/x'
    """
    plain = mask(str(value)).encode("utf-8", "backslashreplace").decode()
    return Markup(html.escape(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", plain)))


def join(content: Content) -> Markup:
    """Return content as markup; `None` is nothing."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return text(content)
    return Markup("".join(join(each) for each in content))


def tag(name: str, /, *content: Content, **attributes: str | int | None) -> Markup:
    """Return an element. `class_` and `aria_label` are attributes without their underscores; `None` leaves one out.

    >>> tag("th", "<b>", scope="row", class_=None)
    '<th scope="row">&lt;b&gt;</th>'
    >>> tag("rect", x=1)
    '<rect x="1"/>'
    """
    given = (
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = name + "".join(given)
    inner = join(content)
    if name in _EMPTY:
        return Markup(f"<{start}/>" if name in _SVG else f"<{start}>")
    return Markup(f"<{start}>{inner}</{name}>")


_SVG = frozenset({"rect", "circle", "line", "path", "polyline"})
_EMPTY = _SVG | {"meta", "br", "hr"}


def badge(tier: Tier) -> Markup:
    """Return a tier's word in its colour."""
    return tag("span", tier.label, class_=f"badge {tier.colour.value}")


def code(words: object) -> Markup:
    """Return what somebody types or copies, in a direction of its own."""
    return tag("code", tag("bdi", str(words)))
