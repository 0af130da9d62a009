"""in-toto statements (v1) about the consequential actions in the journal: decisions, approvals, outcomes and charges.

A statement says nothing that its entry does not say. It is there so that what one action was can be handed on, signed
and in a form that others read, without the journal around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.model.control import Answer
from tallystick.model.errors import BadInput

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATES: Final = {
    "decision.made": "https://tallystick.dev/statement/decision/v1",
    "approval.answered": "https://tallystick.dev/statement/approval/v1",
    "effect.ended": "https://tallystick.dev/statement/outcome/v1",
    "run.charged": "https://tallystick.dev/statement/charge/v1",
}
ANSWER: Final = "https://tallystick.dev/statement/answer/v1"


def answer_statement(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is signed when an approval is answered, before the journal has an entry of it.

    ``given`` is ``{"approval", "binding", "answer", "by", "at"}``, ``at`` in nanoseconds as text, and ``person`` and
    ``via`` where an entry says how it is known who answered; the subject is what the approval is bound to.
    """
    return {
        "_type": STATEMENT,
        "subject": [{"name": given["approval"], "digest": {"sha256": given["binding"]}}],
        "predicateType": ANSWER,
        "predicate": dict(given),
    }


def statement(entry_leaf: Mapping[str, Any], leaf_hash: bytes) -> dict[str, Any] | None:
    """The statement about a journal entry, or None when the entry is about no consequential action.

    ``entry_leaf`` is the leaf as JSON (see docs/reference/proof-format.md, section 3), ``leaf_hash`` its 32 bytes. A
    decision that no policy covered ("not evaluated": the effect is none or read) has no statement. Raises BadInput for
    a leaf without the fields that a statement needs.
    """
    kind, body = entry_leaf.get("kind"), entry_leaf.get("body")
    predicate_type = PREDICATES.get(kind) if isinstance(kind, str) else None
    if predicate_type is None:
        return None
    if not isinstance(body, Mapping) or not isinstance(entry_leaf.get("id"), str):
        raise BadInput("a journal entry without an id or a body has no statement")
    if kind == "decision.made" and body.get("answer") == Answer.NOT_EVALUATED:
        return None
    return {
        "_type": STATEMENT,
        "subject": [{"name": entry_leaf["id"], "digest": {"sha256": leaf_hash.hex()}}],
        "predicateType": predicate_type,
        "predicate": dict(body),
    }
