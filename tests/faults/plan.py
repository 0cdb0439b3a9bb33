"""Chooses what is tried of an operation: all of its points, each n-th, some, or one part of several."""

from __future__ import annotations

import random
import re
import threading
import zlib
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.campaign import Kill, Trial, kills, parsed, server_kills

_ALIKE = 100
_WHOM = ("own", "all", "own", "all", "server")  # at random moments, in turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of several runs that together try everything."""

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str) -> Part:
        """Read `2/5`.

        >>> Part.read("2/5")
        Part(number=2, of=5)
        """
        number, _, of = text.partition("/")
        part = cls(number=int(number), of=int(of))
        if not 1 <= part.number <= part.of:
            raise ValueError(text)
        return part

    def has(self, key: str) -> bool:
        """Return whether this is tried here: by what it is, since a point's number is not the same in each run."""
        return zlib.crc32(key.encode()) % self.of == self.number - 1


@dataclass(kw_only=True)
class Plan:
    """What is tried of each operation; `moments` of each that has them."""

    every: int
    moments: int
    servers: bool
    at: re.Pattern[str]
    part: Part
    seed: int
    statements: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def kills(self, trial: Trial) -> list[Kill]:
        """Return the kills of one operation; where points are passed over the last two, since that is a short time."""
        operation, chance = trial.operation, random.Random(f"{self.seed} {trial.operation.name}")  # noqa: S311
        step = self.every * operation.every
        own = self._of_part(trial, _thinned(trial, self.own(trial), chance))
        chosen = own[chance.randrange(step) :: step]
        chosen += [kill for kill in own[-2:] if kill not in chosen]
        if operation.servers and self.servers:
            chosen += self._of_server(trial, chance)
        if operation.moments:
            chosen += [
                Kill(whom=_WHOM[number % len(_WHOM)], moment=chance.uniform(0, 1.1 * trial.seconds))
                for number in range(self.moments)
                if number % self.part.of == self.part.number - 1
            ]
        return chosen

    def own(self, trial: Trial) -> list[Kill]:
        """Return the kills of the command's own processes that may be tried, in order: those of all parts."""
        lines = trial.counted.points
        return [kill for kill in kills(trial.counted, trial.operation.until) if self.at.search(lines[kill.at - 1])]

    def _of_part(self, trial: Trial, own: list[Kill]) -> list[Kill]:
        keys, count = [], Counter[str]()
        for line in trial.counted.points:
            what = " ".join(parsed(line))
            count[what] += 1
            keys.append(f"{what} {count[what]}")
        return [kill for kill in own if self.part.has(keys[kill.at - 1])]

    def _of_server(self, trial: Trial, chance: random.Random) -> list[Kill]:
        lines = trial.counted.points
        with self.lock:
            found = list(server_kills(trial.counted, self.statements, chance))
        found = [kill for kill in found if self.at.search(lines[kill.at - 1])]
        found = [kill for kill in found if self.part.has(f"{parsed(lines[kill.at - 1])[1]} {kill.after}")]
        return found[chance.randrange(self.every) :: self.every]


def _thinned(trial: Trial, own: list[Kill], chance: random.Random) -> list[Kill]:
    """Return the kills without most of those at points that are alike: one in a hundred is left, at any of them."""
    lines, pattern = trial.counted.points, trial.operation.alike
    many = [kill for kill in own if pattern and re.search(pattern, lines[kill.at - 1])]
    few = many[chance.randrange(_ALIKE) :: _ALIKE]
    return [kill for kill in own if kill in few or kill not in many]
