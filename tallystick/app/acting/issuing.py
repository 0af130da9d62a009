"""Issuing: tokens of agents made and revoked by people, and the keys that sign them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from tallystick.app.acting.feed import revoked_in
from tallystick.app.acting.identity import Tokens
from tallystick.app.reading.shapes import time_text
from tallystick.govern.identity import LONGEST_S
from tallystick.model.chain import TOKEN
from tallystick.model.errors import BadInput, Conflict, UnknownThing
from tallystick.model.identity import DEEPEST, Block, revocation, right
from tallystick.model.journal import Draft
from tallystick.model.masking import mask_text
from tallystick.ports import Clock, ControlStore
from tallystick.proof.keys import VerifierKey

SUBJECT: Final = "identity"  # what entries about keys of identity are about
LONGEST_REASON: Final = 1_000
_SECOND: Final = 1_000_000_000
_ID: Final = frozenset("0123456789abcdef")
_ID_LENGTH: Final = 32


class Keys(Tokens, Protocol):
    """The keys of a store (``adapters.identity_keys.IdentityKeys``)."""

    def keys(self) -> Sequence[VerifierKey]:
        """Every key that ever signed, newest first."""
        ...

    def signing_key(self) -> VerifierKey:
        """The key that signs now; it is in the journal then."""
        ...

    def rotate(self) -> VerifierKey:
        """Put a new key in its place; it is in the journal then."""
        ...


class Issuer:
    """What people do with tokens of agents. Every act is in the journal; a token itself is kept nowhere."""

    def __init__(self, control: ControlStore, keys: Keys, clock: Clock) -> None:
        self._control = control
        self._keys = keys
        self._clock = clock

    def issue(
        self, agent: str, *, by: str, via: str, ttl_s: int, rights: Sequence[str] | None = None,
        classes: Sequence[str] | None = None, budget_nano: int | None = None, depth: int, run: str | None = None,
        on_behalf: str | None = None, version: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """A token: ``{"token", "id", "agent", "expires", …}``. It is shown this once.

        Raises BadInput and StoreFault.
        """
        if not agent.strip() or agent != agent.strip():
            raise BadInput(f"{agent[:80]!r} is no name of an agent")
        if not 0 < ttl_s <= LONGEST_S:
            raise BadInput("a token of an agent holds from a second to 30 days", hint="--ttl 1h")
        if not 0 <= depth <= DEEPEST:
            raise BadInput(f"a token can be passed on at most {DEEPEST} times")
        if budget_nano is not None and budget_nano < 0:
            raise BadInput("a budget is not negative")
        named = None if rights is None else tuple(right(one) for one in rights)
        held = None if classes is None else tuple(classes)
        now = self._clock.now() // _SECOND
        text = self._keys.mint(
            Block(
                agent, TOKEN, on_behalf, version, run, named, (), held, budget_nano, depth, now, now + ttl_s
            )
        )
        name = revocation(self._keys.opened(text).ids[0])
        body = {
            "id": name, "agent": agent, "by": by, "rights": named, "classes": held, "budget_nano": budget_nano,
            "depth": depth, "run": run, "on_behalf": on_behalf, "expires_s": now + ttl_s, "via": via,
        }  # fmt: skip
        self._control.append([Draft("identity.issued", name, body, run=run, actor=by)])
        return {
            "token": text, "id": name, "agent": agent, "rights": None if named is None else list(named),
            "classes": None if held is None else list(held), "budget_nano_usd": budget_nano, "depth": depth,
            "run": run, "on_behalf": on_behalf, "expires": time_text((now + ttl_s) * _SECOND),
        }  # fmt: skip

    def revoke(self, shown: str, *, because: str, by: str, via: str) -> dict[str, Any]:
        """Revoke a token and all that were made from it, by its id or by itself. Every guard hears of it in a second.

        Raises BadInput, and Conflict where it was revoked before.
        """
        name = self._id_of(shown)
        reason = _reason(because)
        if name in revoked_in(self._control):
            raise Conflict(f"{name} was revoked before")
        body = {"id": name, "because": reason, "by": by, "via": via}
        self._control.append([Draft("identity.revoked", name, body, actor=by)])
        return {"id": name, "because": reason, "by": by}

    def _id_of(self, shown: str) -> str:
        if len(shown) >= _ID_LENGTH and set(shown) <= _ID:
            return revocation(shown)
        return revocation(self._keys.opened(shown).ids[-1])

    def every_key(self) -> list[dict[str, Any]]:
        """``[{"key", "number", "name", "signs", "retired"}]``: every key of identity, newest first."""
        gone = revoked_in(self._control)
        return [
            {
                "key": key.text, "number": number(key), "name": key.name, "signs": place == 0,
                "retired": number(key) in gone,
            }
            for place, key in enumerate(self._keys.keys())
        ]  # fmt: skip

    def rotate(self) -> dict[str, Any]:
        """A new key signs from now on; tokens of the one before hold until it is retired, or they expire."""
        self._keys.signing_key()  # one that signed nothing yet is entered before another takes its place
        self._keys.rotate()
        return self.every_key()[0]

    def retire(self, which: str, *, because: str, by: str) -> dict[str, Any]:
        """No token that a key signed holds any more. ``which`` is its number. Raises UnknownThing and Conflict."""
        found = next((one for one in self.every_key() if one["number"] in (which, f"key:{which}")), None)
        if found is None:
            raise UnknownThing(f"there is no key {which[:80]!r}", hint="tally keys ls")
        if found["retired"]:
            raise Conflict("the key was retired before")
        if found["signs"]:
            raise Conflict("this key signs; put another in its place first", hint="tally keys rotate")
        body = {"key": found["key"], "because": _reason(because), "number": found["number"]}
        self._control.append([Draft("key.retired", SUBJECT, body, actor=by)])
        return {**found, "retired": True}


def enrol(control: ControlStore, key: VerifierKey) -> None:
    """Enter a key that signs tokens in the journal, if it is not there."""
    after = 0
    while page := control.entries(after=after, kind="key.created", subject=SUBJECT):
        if any(one.body["key"] == key.text for one in page):
            return
        after = page[-1].seq
    control.append(
        [Draft("key.created", SUBJECT, {"key": key.text, "name": key.name, "purpose": "identity"})]
    )


def number(key: VerifierKey) -> str:
    """How tokens, and entries that retire it, name a key: "key:" and its id."""
    return f"key:{key.id.hex()}"


def _reason(because: str) -> str:
    reason = because.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise BadInput(f"a reason has 1 to {LONGEST_REASON:,} characters", hint='--because "…"')
    if mask_text(reason) != reason:
        raise BadInput("the reason holds what looks like a credential", hint="take it out")
    return reason
