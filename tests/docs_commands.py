"""Whether a line of shell in the documentation names tasks, flags and targets that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.program import Program

from dbtasks.invoke_tasks import namespace


def problems(text: str, targets: frozenset[str], options: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with the tasks, make targets and options of a line of shell."""
    try:
        words = _words(text)
    except ValueError as error:
        yield f"this is no shell command: {error}."
        return
    for command in words:
        match command:
            case ["invoke" | "inv" | "dbtasks", *rest]:
                yield from _task_problems(rest)
            case ["make", *rest]:
                yield from (f"make has no target {word}." for word in rest if _is_target(word) and word not in targets)
            case ["manage_db.sh", option, *rest]:
                if option not in options:
                    yield f"manage_db.sh has no option {option}."
                elif "--" in rest:
                    yield from _task_problems([option.removeprefix("--"), *rest[rest.index("--") + 1 :]])


def _is_target(word: str) -> bool:
    return "=" not in word and not word.startswith("-")


def _words(text: str) -> Iterator[list[str]]:
    """Return the simple commands of a line, without assignments and redirections; programs without their folder."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    commands: list[list[str]] = [[]]
    skip = False
    for token in lexer:
        if set(token) <= set("<>"):
            skip = True
            if commands[-1] and commands[-1][-1].isdigit():
                commands[-1].pop()
        elif set(token) <= set("&|;()"):
            commands.append([])
        elif skip:
            skip = False
        elif commands[-1] or not re.match(r"\w+=", token):
            commands[-1].append(token if commands[-1] else Path(token).name)
    return (command for command in commands if command)


def _task_problems(words: list[str]) -> Iterator[str]:
    mine = words[: words.index("--")] if "--" in words else words
    tasks = namespace()
    program = Program(namespace=tasks)
    try:
        Parser(initial=program.initial_context, contexts=tasks.to_contexts()).parse_argv(mine)
    except ParseError as error:
        yield f"invoke {' '.join(mine)}: {error}."
