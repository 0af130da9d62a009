"""prompts/, policies/*.cedar and evals/*.jsonl: files whose whole text is the version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.canonical import digest_bytes
from tallystick.model.errors import ConfigError
from tallystick.model.masking import MASK, mask_text
from tallystick.model.registry import Card, Declared, version_digest
from tallystick.registry.fields import is_name

LONGEST_PROMPT: Final = 200_000  # bytes
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file whose text is the version: type is prompt, policy or suite. ``text`` is kept for prompts and policies."""

    type: str
    name: str
    file: str
    body: dict[str, Any]
    text: str | None = None
    origin: str | None = None

    def declared(self) -> Declared:
        """The file as a registry object."""
        identity = version_digest(self.type, self.name, None, self.body)
        return Declared(self.type, self.name, identity, None, self.body, card=Card(origin=self.origin))

    @property
    def texts(self) -> dict[str, str]:
        """The text by the digest that the body names; empty for a suite."""
        return {} if self.text is None else {self.body["text"]: self.text}


def prompt_from(name: str, file: str, text: str, origin: str | None = None) -> TextFile:
    """A prompt, its line ends made alike. Raises ConfigError for an empty, a huge or a secret text, or no name."""
    _named("prompt", name, file)
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    size = len(plain.encode("utf-8"))
    if not plain.strip():
        raise _mistake(file, 1, "this prompt is empty", "write its text, or take the file away")
    if size > LONGEST_PROMPT:
        raise _mistake(file, 1, f"this prompt has {size:,} bytes", f"at most {LONGEST_PROMPT:,}")
    secret = secret_line(plain)
    if secret is not None:
        raise _mistake(
            file, secret, "a prompt holds what looks like a credential", "take it out, and replace that key"
        )
    return TextFile("prompt", name, file, {"text": _digest(plain), "file": file}, plain, origin)


def policy_from(name: str, file: str, text: str, origin: str | None = None) -> TextFile:
    """A policy of the project: for every agent of the store. Raises ConfigError for the name and a secret text."""
    _named("policy", name, file)
    secret = secret_line(text)
    if secret is not None:
        raise _mistake(
            file, secret, "a policy holds what looks like a credential", "take it out, and replace that key"
        )
    return TextFile("policy", name, file, {"text": _digest(text), "file": file, "scope": None}, text, origin)


def suite_from(name: str, file: str, content: str, origin: str | None = None) -> TextFile:
    """A suite: each line that is not blank is a case. Raises ConfigError for a line that is no JSON object."""
    _named("suite", name, file)
    cases, agents = 0, set()
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        agents.update(_agents(_case(line, file, number), file, number))
        cases += 1
    if not cases:
        raise _mistake(
            file, 1, "this suite has no case", "write one JSON object a line, or take the file away"
        )
    body = {"content": _digest(content), "cases": cases, "agents": sorted(agents), "file": file}
    return TextFile("suite", name, file, body, None, origin)


def secret_line(text: str) -> int | None:
    """The line on which a credential begins; None where none is seen."""
    masked = mask_text(text)
    if masked == text:
        return None
    first = next(
        (at for at, (a, b) in enumerate(zip(text, masked, strict=False)) if a != b), masked.find(MASK)
    )
    return text.count("\n", 0, max(first, 0)) + 1


def _case(line: str, file: str, number: int) -> dict[str, Any]:
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        why = "it is nested too deep" if deep else getattr(error, "msg", "a number in it is too long")
        raise _mistake(
            file, number, f"this is not JSON: {why}", "each line is one case, a JSON object"
        ) from error
    if not isinstance(case, dict):
        raise _mistake(file, number, "a case is a JSON object", 'for example {"input": "…", "expected": "…"}')
    return case


def _agents(case: dict[str, Any], file: str, number: int) -> list[str]:
    named = case.get("agent")
    found = [] if named is None else named if isinstance(named, list) else [named]
    for one in found:
        if not isinstance(one, str) or not is_name(one):
            raise _mistake(file, number, f"{one!a:.80} is not the name of an agent", '"agent": "NAME"')
    return found


def _named(what: str, name: str, file: str) -> None:
    if not is_name(name, _LONGEST_NAME):
        raise _mistake(
            file, 1, f"{name!a:.160} is not the name of a {what}",
            "rename the file: no spaces, quotes, backslashes, control or unseen characters",
        )  # fmt: skip


def _mistake(file: str, line: int, message: str, hint: str) -> ConfigError:
    return ConfigError(f"{file}:{line}: {message}", hint=hint, file=file, line=line)


def _digest(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogatepass"))
