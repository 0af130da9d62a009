"""An act: one proposed tool call on its way from the question to the answer, and what was found out about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from tallystick.app.acting.identity import Standing
from tallystick.app.acting.watch import Heard
from tallystick.cost.loops import Rung
from tallystick.govern.binaries import without_binaries
from tallystick.govern.decide import Ruling
from tallystick.govern.policy import PolicySet
from tallystick.model.blob import Blob
from tallystick.model.canonical import canonical_json
from tallystick.model.chain import Link
from tallystick.model.commitment import Content, derived_salt
from tallystick.model.control import Answer, Switch, ToolCall
from tallystick.model.errors import BadInput
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.journal import Draft
from tallystick.model.labels import Facts
from tallystick.model.masking import mask, mask_text
from tallystick.model.step import Effect

EFFECTS: Final = (None, Effect.WRITE, Effect.IRREVERSIBLE)  # undeclared is worst case
WHOLE: Final = "*"  # stands for all arguments together, where they cannot be named one by one
MASKED: Final = "masked"
REDACTED: Final = "redacted"  # a rule permits the call and says that this argument is not kept
TOO_LARGE: Final = "too large"

_LARGEST: Final = 1_048_576  # bytes of one argument whose opening is kept
_MOST: Final = 200  # arguments named one by one: an entry has at most 65,535 bytes
_MOST_CHARACTERS: Final = 2_000  # of all their names together
_SHOWN: Final = 2_000  # characters of what people are shown of an argument that is not kept

_decode: Final = msgspec.json.decode
Clean = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Exact:
    """A call's arguments exactly as the journal commits to them. What is decided is what is recorded.

    ``values`` are read back from their canonical JSON. ``shown`` is what people see of those that are not kept.
    """

    values: Mapping[str, Any]
    contents: Mapping[str, Content]
    shown: Mapping[str, Content]


@dataclass(slots=True)
class Act:
    """One call on its way through the stages, and what each stage found out.

    ``approved`` are the groups that have approved exactly this call, by ``approval``. ``exact`` None: the arguments
    have no canonical JSON. ``said`` is what the policy stage said, ``ruling`` the answer as it stands, ``stage`` the
    stage that gave it. ``entries`` are journal entries that are written with the decision. ``at`` is nanoseconds
    since the epoch. ``salt`` is the root of the arguments' salts: the same for the same call asked again.
    """

    call: ToolCall
    given: ToolDeclaration
    at: int
    salt: bytes
    approved: frozenset[str] = frozenset()
    approval: str | None = None
    tool: ToolDeclaration | None = None
    declaration: Mapping[str, str] = field(
        default_factory=dict
    )  # the tool's declaration as a text, by its digest
    policies: PolicySet | None = None
    exact: Exact | None = None
    called: Mapping[str, Any] | None = None  # what was called, as every entry about the call names it
    judged: Mapping[str, Any] | None = None
    facts: Facts | None = None  # what is known of where the arguments come from
    standing: Standing | None = None  # on whose authority it is made
    loop: Heard | None = None
    said: Ruling | None = None
    ruling: Ruling | None = None
    stage: str = "policy"
    switch: Switch | None = None  # what a person stopped, and this call meets
    hold: str | None = None
    entries: tuple[Draft, ...] = ()
    settled: bool = False
    clean: Clean = mask  # takes out of what is kept what may not be stored; what is judged stays as it is

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as everything judges them."""
        return self.exact.values if self.exact is not None else self.call.arguments

    @property
    def chain(self) -> tuple[Link, ...] | None:
        """Who acts for whom, as far as that was asked."""
        return None if self.standing is None else self.standing.chain

    @property
    def looping(self) -> Rung:
        """What the loop stage said, as far as it was asked."""
        return self.loop.finding.rung if self.loop is not None else Rung.CLEAR

    def refused(
        self, stage: str, reasons: tuple[str, ...], at: int | None = None, because: str | None = None
    ) -> Act:
        """The same act, refused after all; ``at`` where that was later."""
        self.stage, self.ruling, self.hold = stage, Ruling(Answer.DENY, reasons, because), None
        self.at = self.at if at is None else at
        return self


def redacted(exact: Exact, names: tuple[str, ...]) -> Exact:
    """The same commitments without the openings of these arguments; those committed to as one go together."""
    gone = {name for name in exact.contents if name in names or name == WHOLE}
    contents = {
        name: Content(one.value, one.salt, keep=False, why=REDACTED) if name in gone else one
        for name, one in exact.contents.items()
    }
    return Exact(exact.values, contents, {name: one for name, one in exact.shown.items() if name not in gone})


def kept(value: Any, salt: bytes, *, largest: int, clean: Clean = mask) -> Content:
    """A content whose opening is stored, unless ``clean`` takes something out or it has more than ``largest`` bytes.

    Raises BadInput for a value without canonical JSON.
    """
    content = Content(value, salt)
    if len(content.bytes) > largest:
        return Content(value, salt, keep=False, why=TOO_LARGE)
    return Content(value, salt, keep=False, why=MASKED) if clean(value) != value else content


def exact_arguments(arguments: Mapping[str, Any], salt: bytes, clean: Clean = mask) -> Exact:
    """Commit to the arguments of a call, each with a salt derived from one.

    Arguments that one entry cannot name (too many, names too long, or names that hold a credential) are committed to
    together under the name "*". Raises BadInput for what has no canonical JSON.
    """
    if not _nameable(tuple(arguments)):
        content = kept(dict(arguments), derived_salt(salt, WHOLE), largest=_LARGEST, clean=clean)
        return Exact(_decode(content.bytes), {WHOLE: content}, _shown({WHOLE: content}, salt, clean))
    contents = {
        name: kept(value, derived_salt(salt, name), largest=_LARGEST, clean=clean)
        for name, value in arguments.items()
    }
    values = {
        name: content.value if type(content.value) is str else _decode(content.bytes)
        for name, content in contents.items()
    }
    return Exact(values, contents, _shown(contents, salt, clean))


@lru_cache(maxsize=256)
def _nameable(names: tuple[str, ...]) -> bool:
    """Whether an entry can name arguments one by one. Raises BadInput for names that JSON cannot hold."""
    if not all(isinstance(name, str) for name in names):
        raise BadInput("this value has no canonical JSON: the names of arguments are texts")
    canonical_json(names)
    return (
        len(names) <= _MOST and WHOLE not in names and sum(map(len, names)) <= _MOST_CHARACTERS
        and all(mask_text(name) == name for name in names)
    )  # fmt: skip


def _shown(contents: Mapping[str, Content], salt: bytes, clean: Clean) -> dict[str, Content]:
    return {
        name: Content(_for_people(content, clean), derived_salt(salt, f"{name}\0shown"))
        for name, content in contents.items()
        if not content.keep
    }


def _for_people(content: Content, clean: Clean) -> Any:
    if content.why == MASKED:
        return clean(_decode(content.bytes))
    seen = canonical_json(without_binaries(content.value, _reference))  # a picture is nothing to be read
    start = clean(seen[: 4 * _SHOWN].decode("utf-8", "ignore"))[:_SHOWN]
    return f"{start}… ({len(content.bytes):,} bytes)"


def _reference(raw: bytes, kind: str) -> Blob:
    """What stands for a large binary: the same digest as the blob that the call's step names."""
    return Blob(sha256(raw).hexdigest(), len(raw), kind, kept=False)
