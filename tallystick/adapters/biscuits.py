"""Tokens of agents as Biscuits: signed blocks of Datalog that anybody may narrow and nobody can widen.

A block is written in one form only, below, and read back in exactly that form: a line that Tallystick never writes is
refused, because what it takes away would not be seen. What narrows stands there as Datalog checks, so that any other
Biscuit verifier refuses the same calls if it says what is ``asked``, the ``class``es, the ``run`` and the ``time``::

    agent("writer"); via("handoff"); version("…"); budget(1000000000); depth(4); watermark("third-party"); seen("a");
    check if run("4bf9…");
    check if asked($r), ["tool:refund", "effect:read"].contains($r);
    reject if asked("effect:irreversible");
    check all class($c), ["", "payment"].contains($c);
    check if time($t), $t <= 2026-01-01T00:00:00Z;

Names are percent-encoded, so that no name can end a text. See https://www.biscuitsec.org.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from tallystick.model.errors import BadInput
from tallystick.model.identity import AGENT_TOKEN_PREFIX, LONGEST_NAME, MOST_BLOCKS, Block
from tallystick.model.labels import Integrity

_LONGEST: Final = 32_768  # characters of a token
_TEXT: Final = r'"([A-Za-z0-9_.~%:-]*)"'
_LIST: Final = r'\[((?:"[A-Za-z0-9_.~%:-]*"(?:, )?)*)\]'
_LINES: Final = {
    "agent": rf"agent\({_TEXT}\)", "via": rf"via\({_TEXT}\)", "on_behalf": rf"on_behalf\({_TEXT}\)",
    "version": rf"version\({_TEXT}\)", "watermark": rf"watermark\({_TEXT}\)", "seen": rf"seen\({_TEXT}\)",
    "budget_nano": r"budget\((\d{1,18})\)", "depth": r"depth\((\d{1,4})\)", "issued": r"issued\((\d{1,12})\)",
    "run": rf"check if run\({_TEXT}\)", "rights": rf"check if asked\(\$r\), {_LIST}\.contains\(\$r\)",
    "without": rf"reject if asked\({_TEXT}\)", "classes": rf"check all class\(\$c\), {_LIST}\.contains\(\$c\)",
    "expires": r"check if time\(\$t\), \$t <= (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)",
}  # fmt: skip
_READ: Final = [(name, re.compile(pattern)) for name, pattern in _LINES.items()]
_MANY: Final = ("seen", "without")
_NUMBERS: Final = ("budget_nano", "depth", "issued")
NOT_OURS: Final = "the token is not of this store, or was changed"


@dataclass(frozen=True, slots=True)
class Opened:
    """A token whose signatures are genuine: its blocks, their revocation ids (hex), and the number of its key."""

    blocks: tuple[Block, ...]
    ids: tuple[str, ...]
    key: int


def mint(block: Block, seed: bytes, key: int) -> str:
    """A new token, signed with an Ed25519 key (``seed``: 32 bytes, ``key``: its number)."""
    library = _library()
    builder = library.BiscuitBuilder(block_text(block))
    builder.set_root_key_id(key)
    made = builder.build(library.PrivateKey.from_bytes(seed, library.Algorithm.Ed25519))
    return f"{AGENT_TOKEN_PREFIX}{made.to_base64()}"


def append(token: str, block: Block, public: Callable[[int], bytes | None]) -> str:
    """The token with one block more; no private key is needed. Raises BadInput for a token that is not genuine."""
    made = _genuine(token, public)[0].append(_library().BlockBuilder(block_text(block)))
    return f"{AGENT_TOKEN_PREFIX}{made.to_base64()}"


def opened(token: str, public: Callable[[int], bytes | None]) -> Opened:
    """Check a token's signatures and read its blocks. ``public`` gives the key (32 bytes) of a number, or None.

    Raises BadInput for a token that is not genuine, or says what Tallystick never writes.
    """
    biscuit, key = _genuine(token, public)
    count = biscuit.block_count()
    if any(biscuit.block_external_key(number) is not None for number in range(1, count)):
        raise BadInput("the token has a block of a third party")
    blocks = tuple(block_from(biscuit.block_source(number)) for number in range(count))
    return Opened(blocks, tuple(biscuit.revocation_ids), key)


def _genuine(token: str, public: Callable[[int], bytes | None]) -> tuple[Any, int]:
    library = _library()
    text = token.removeprefix(AGENT_TOKEN_PREFIX)
    if len(text) > _LONGEST or text == token:
        raise BadInput(NOT_OURS)
    try:  # counted before anything is verified: a long chain costs nothing
        unverified = library.UnverifiedBiscuit.from_base64(text)
        if unverified.block_count() > MOST_BLOCKS:
            raise BadInput(f"the token has more than {MOST_BLOCKS} blocks")
        number = unverified.root_key_id()
        found = None if number is None else public(number)
        if number is None or found is None:
            raise BadInput(NOT_OURS)
        root = library.PublicKey.from_bytes(found, library.Algorithm.Ed25519)
        return library.Biscuit.from_base64(text, root), number
    except (library.BiscuitValidationError, library.BiscuitSerializationError, ValueError) as error:
        raise BadInput(NOT_OURS) from error


def _library() -> Any:
    import biscuit_auth  # its own types say less than it has

    return biscuit_auth


def block_text(block: Block) -> str:
    """A block as Datalog. Raises BadInput for names that no token can hold."""
    facts = [
        f'{name}("{_quoted(value)}")'
        for name, value in (
            ("agent", block.agent), ("via", block.via), ("on_behalf", block.on_behalf), ("version", block.version),
            ("watermark", None if block.watermark is None else block.watermark.value),
        )
        if value is not None
    ]  # fmt: skip
    facts += [f'seen("{_quoted(one)}")' for one in block.seen]
    numbers = (("budget", block.budget_nano), ("depth", block.depth), ("issued", block.issued))
    facts += [f"{name}({value})" for name, value in numbers if value is not None]
    if block.run is not None:
        facts.append(f'check if run("{_quoted(block.run)}")')
    if block.rights is not None:
        facts.append(f"check if asked($r), {_listed(block.rights)}.contains($r)")
    facts += [f'reject if asked("{_quoted(one)}")' for one in block.without]
    if block.classes is not None:
        facts.append(f"check all class($c), {_listed(block.classes)}.contains($c)")
    if block.expires is not None:
        moment = datetime.fromtimestamp(block.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        facts.append(f"check if time($t), $t <= {moment}")
    return "".join(f"{one};\n" for one in facts)


def block_from(text: str) -> Block:
    """Read what ``block_text`` wrote. Raises BadInput for anything else."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        if not line:
            continue
        name, value = _line(line.removesuffix(";"))
        if name in _MANY:
            found[name] = (*found.get(name, ()), value)
        elif name in found:
            raise BadInput("a block of the token says something twice")
        else:
            found[name] = value
    try:
        if "watermark" in found:
            found["watermark"] = Integrity(found["watermark"])
        return Block(**found)
    except ValueError as error:
        raise BadInput("a block of the token names no integrity") from error


def _line(line: str) -> tuple[str, Any]:
    for name, pattern in _READ:
        match = pattern.fullmatch(line)
        if match is None:
            continue
        raw = match[1]
        if name in _NUMBERS:
            return name, int(raw)
        if name == "expires":
            return name, int(datetime.strptime(raw, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
        if name in ("rights", "classes"):
            return name, tuple(unquote(one) for one in re.findall(_TEXT, raw) if one)
        return name, unquote(raw)
    raise BadInput("a block of the token says what Tallystick does not know")


def _quoted(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise BadInput(f"a name in a token has at most {LONGEST_NAME} characters")
    try:
        return quote(name, safe=":")
    except UnicodeEncodeError as error:
        raise BadInput(f"{name[:40]!r} is no name") from error


def _listed(names: Sequence[str]) -> str:
    """A list that always holds the empty text: a list without anything has no type, and covers nothing."""
    return "[" + ", ".join(f'"{_quoted(one)}"' for one in ("", *names)) + "]"
