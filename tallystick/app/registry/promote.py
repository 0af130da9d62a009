"""Promote: move an alias of an agent to one of its versions, if it is ready for it.

Promotion is a compare-and-swap on the version that the alias had: of two people who promote at once one wins, and the
other is told. Going back is promoting the older version.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.model.errors import AnswerIsNo, BadInput, Conflict, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.masking import mask_text
from tallystick.model.registry import Alias, Version
from tallystick.ports import ControlStore
from tallystick.registry.readiness_shapes import Readiness
from tallystick.registry.version_refs import DIGEST, version_of

_ALIAS: Final = re.compile(r"^[a-z][a-z0-9._-]{0,63}$")
_LONGEST: Final = 1_000  # characters of a reason
_MOST: Final = 100  # reasons that an entry keeps
_CUT: Final = 300  # characters of one of them


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants promoted. ``version``: label, alias or prefix of a digest; None means the one declared now.

    ``override`` is the reason to go on with what is missing.
    """

    agent: str
    version: str | None
    alias: str
    because: str | None = None
    override: str | None = None


def promote(
    control: ControlStore, ready: Callable[[str, Version], Readiness], wish: Wish, *, gated: Sequence[str], by: str,
    dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Move the alias. An alias in ``gated`` moves only where nothing needed is missing, or with ``override``.

    Returns ``{"agent", "alias", "from", "to", "changed", "gated", "missing", "override", "because", "entry"}``
    (from and to: ``{"digest", "version"}``). Moving to the version it has changes nothing.
    Raises UnknownThing, BadInput, AnswerIsNo with what is missing, and Conflict where somebody else was first.
    """
    because, override = _reason("--because", wish.because), _reason("--override", wish.override)
    revision = control.registry_revision()  # first: what is judged afterwards is this, or nothing is written
    aliases = control.aliases("agent", wish.agent)
    version = version_of(wish.agent, _versions(control, wish.agent), aliases, wish.version)
    _check_alias(control, wish)
    now = next((one for one in aliases if one.alias == wish.alias), None)
    answer = _answer(control, wish, now, version) | {"because": because, "gated": wish.alias in gated}
    if now is not None and now.digest == version.digest:
        return answer
    missing: list[str] = []
    if wish.alias in gated:
        judged = ready(wish.agent, version)
        missing = [reason[:_CUT] for reason in judged.reasons][:_MOST]
        if missing and override is None:
            raise refusal(judged, wish.alias)
    body = {
        "type": "agent", "name": wish.agent, "alias": wish.alias, "digest": version.digest,
        "previous": None if now is None else now.digest, "because": because,
        "override": override if missing else None, "missing": missing,
    }  # fmt: skip
    answer |= {"changed": True, "missing": missing, "override": body["override"]}
    if not dry_run:
        answer["entry"] = _moved(
            control, Draft("alias.moved", f"agent:{wish.agent}", body, actor=by), revision
        )
    return answer


def _moved(control: ControlStore, draft: Draft, revision: int) -> int:
    try:
        return control.append([draft], expecting=revision)[0].seq
    except Conflict as error:
        if "expected" not in error.detail:
            raise
        raise Conflict(
            f"somebody changed the registry while agent {draft.body['name']} was judged",
            hint="look again, and then promote again", **error.detail,
        ) from error  # fmt: skip


def refusal(judged: Readiness, alias: str) -> AnswerIsNo:
    """The refusal of a promotion, with every reason and what mends it (also in ``detail["problems"]``)."""
    gaps = [(layer.layer, gap) for layer in judged.layers for gap in layer.missing]
    message = f"{judged.agent} is not promoted to {alias}: {judged.sentence}"
    hint = "add what is missing, or go on with --override REASON, which the journal keeps"
    problems = [{"message": message, "hint": None}]
    problems += [{"message": f"{layer}: {gap.what}", "hint": gap.fix} for layer, gap in gaps]
    problems[-1 if not gaps else 0]["hint"] = hint
    return AnswerIsNo(
        message, hint=hint, problems=problems,
        missing=[{"layer": layer, "what": gap.what, "fix": gap.fix} for layer, gap in gaps],
    )  # fmt: skip


def _versions(control: ControlStore, agent: str) -> Sequence[Version]:
    versions = control.versions("agent", agent)
    if not versions:
        names = [one.name for one in control.declared("agent")]
        near = difflib.get_close_matches(agent, names, 1)
        hint = f"did you mean {near[0]}?" if near else "declare it in agents/NAME.toml, then: tally apply"
        raise UnknownThing(f"no agent called {agent!r} is declared", hint=hint, name=agent)
    now = next((one for one in control.declared("agent") if one.name == agent), None)
    if now is None:
        raise AnswerIsNo(f"agent {agent} is retired", hint="declare it again to bring it back: tally apply")
    return sorted(
        versions, key=lambda one: one.digest != now.digest
    )  # a project may have gone back to an older one


def _check_alias(control: ControlStore, wish: Wish) -> None:
    if not _ALIAS.match(wish.alias) or DIGEST.match(wish.alias):
        raise BadInput(
            f"{wish.alias!r} is not an alias",
            hint="a word of small letters, digits, dots and dashes that is no digest: production",
        )
    if any(one.label == wish.alias for one in control.versions("agent", wish.agent)):
        raise BadInput(
            f"{wish.alias!r} is the label of a version already", hint="an alias needs another name"
        )


def _answer(control: ControlStore, wish: Wish, now: Alias | None, version: Version) -> dict[str, Any]:
    labels = {one.digest: one.label for one in control.versions("agent", wish.agent)}
    return {
        "agent": wish.agent, "alias": wish.alias,
        "from": None if now is None else {"digest": now.digest, "version": labels.get(now.digest)},
        "to": {"digest": version.digest, "version": version.label},
        "changed": False, "missing": [], "override": None, "entry": None,
    }  # fmt: skip


def _reason(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    said = " ".join(text.split())
    if not said:
        raise BadInput(f"{option} needs a reason", hint=f'{option} "what speaks for it"')
    if len(said) > _LONGEST:
        raise BadInput(f"a reason has at most {_LONGEST:,} characters, and this one {len(said):,}")
    return mask_text(said)
