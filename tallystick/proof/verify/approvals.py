"""Approvals in evidence: asked for a held call, answered by somebody in time, and used once for exactly that call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.model.canonical import digest
from tallystick.model.control import approval_binding
from tallystick.model.journal import Entry
from tallystick.model.quorum import same_person, served
from tallystick.proof.report import Checklist
from tallystick.proof.verify.seen import Seen, time_of
from tallystick.proof.verify.vouching import Vouching

_CHECK: Final = "conduct"
Decisions = Mapping[str, tuple[int, Mapping[str, Any]]]


@dataclass(slots=True)
class _Asked:
    body: Mapping[str, Any]
    expires: int
    call: str | None
    step: str | None = None
    answer: str | None = None
    given: list[str] = field(default_factory=list)  # who said yes
    spoken: list[tuple[str, ...]] = field(
        default_factory=list
    )  # and for which of several groups each of them
    edits: Mapping[str, Any] | None = None  # the commitments of proposed values
    expired: bool = False
    consumed: int | None = None  # entry that used it
    decided: bool = False  # a decision names it as the one that let it through


class Approvals:
    """Follows every approval of the run."""

    def __init__(self, told: Checklist, seen: Seen) -> None:
        self._told = told
        self._seen = seen
        self._known: dict[str, _Asked] = {}
        self._vouching = Vouching(told, seen)

    def binding(self, approval: str) -> str | None:
        """What an approval was asked for; None when nobody asked."""
        asked = self._known.get(approval)
        return None if asked is None else str(asked.body["binding"])

    def entry(self, entry: Entry, decisions: Decisions) -> None:
        """Look at one approval entry."""
        approval = entry.body["approval"]
        if entry.subject != approval:
            self._say(entry, f"the entry and its approval {approval} do not name the same thing")
        if entry.kind == "approval.requested":
            self._requested(entry, approval, decisions)
            return
        asked = self._known.get(approval)
        if asked is None:
            self._say(entry, f"approval {approval} was never asked for")
            return
        if entry.kind == "approval.answered":
            self._answered(entry, asked)
        elif entry.kind == "approval.edited":
            self._edited(entry, asked)
        elif entry.kind == "approval.expired":
            if asked.answer is not None or asked.expired:
                self._say(entry, f"approval {approval} expired although it was settled before")
            asked.expired = True
        elif entry.kind == "approval.consumed":
            self._consumed(entry, asked)
        self._told.holds(_CHECK)

    def _requested(self, entry: Entry, approval: str, decisions: Decisions) -> None:
        body = entry.body
        if approval in self._known:
            self._say(entry, f"approval {approval} was asked for before")
            return
        found = decisions.get(body["decision"])
        expires = time_of(str(body["expires_ns"]))
        self._known[approval] = asked = _Asked(body, expires, None)
        if found is None:
            self._say(entry, f"approval {approval} was asked for without a decision")
            return
        made = found[1]
        asked.call, asked.step = made["call"], made["step"]
        if made["answer"] != "hold":
            self._say(entry, f"approval {approval} was asked for a call that was not held")
        same = all(body[key] == made[key] for key in ("run", "agent", "tool", "group", "because"))
        if not same or body["arguments"] != made["arguments"]:
            self._say(
                entry, f"approval {approval} was asked for something else than decision {body['decision']}"
            )
        if _quorum(body) != (made.get("quorum") or 1):
            self._say(entry, f"approval {approval} asks another number of people than its decision says")
        if body.get("groups") != made.get("groups") or not _adds_up(body):
            self._say(entry, f"approval {approval} asks other groups than its decision says")
        self._bound(entry, made)
        self._told.holds(_CHECK)

    def _bound(self, entry: Entry, made: Mapping[str, Any]) -> None:
        """The binding is recomputed where the tool's declaration is in the file."""
        declared = self._seen.declaration(made["declaration"])
        if declared is None:
            self._told.not_checked(_CHECK, f"entry {entry.seq}", "the declaration of the tool is not here")
            return
        body = entry.body
        bound = approval_binding(
            made, declared.get("effect"), body["group"], body["expires_ns"], quorum=_quorum(body),
            apart=body.get("apart") or (), groups=body.get("groups"),
        )  # fmt: skip
        if body["binding"] != bound:
            self._say(entry, f"approval {entry.body['approval']} is not bound to the call that was held")

    def _answered(self, entry: Entry, asked: _Asked) -> None:
        body = entry.body
        approval = body["approval"]
        self._by_somebody(entry, asked)
        if body["answer"] not in ("approved", "rejected"):
            self._say(entry, f"approval {approval} has an answer that there is none")
        if body["answer"] == "approved":
            name = str(body["by"])
            if any(same_person(name, one) for one in asked.given):
                self._say(entry, f"approval {approval} counts one person twice")
            if any(same_person(name, str(one)) for one in asked.body.get("apart") or ()):
                self._say(entry, f"approval {approval} was given by somebody who had a part in it")
            asked.given.append(name)
            self._for_whom(entry, asked)
            if len(asked.given) < _quorum(asked.body):
                return
        asked.answer = body["answer"]

    def _for_whom(self, entry: Entry, asked: _Asked) -> None:
        """Where several groups are asked, each yes is for one that nobody else served."""
        groups = asked.body.get("groups")
        if groups is None:
            return
        spoken = tuple(str(one) for one in entry.body.get("groups") or ())
        asked.spoken.append(spoken)
        if not set(spoken) <= set(groups) or served(groups, asked.spoken) < len(asked.spoken):
            self._say(entry, f"approval {entry.body['approval']} counts a yes that no group was asked for")

    def _by_somebody(self, entry: Entry, asked: _Asked) -> None:
        """What holds of answers and edits alike."""
        body = entry.body
        approval = body["approval"]
        if asked.answer is not None or asked.expired:
            self._say(entry, f"approval {approval} was answered although it was settled before")
        if body["binding"] != asked.body["binding"]:
            self._say(entry, f"approval {approval} was answered for another binding")
        if not isinstance(body["by"], str) or not body["by"].strip():
            self._say(entry, f"approval {approval} was answered by nobody")
        elif entry.actor != body["by"]:
            self._say(entry, f"approval {approval} was answered by somebody else than who wrote the answer")
        elif body.get("person") not in (None, body["by"]):
            self._say(entry, f"approval {approval} was answered by somebody else than the person it names")
        if entry.at >= asked.expires:
            self._say(entry, f"approval {approval} was answered after its time")

    def _edited(self, entry: Entry, asked: _Asked) -> None:
        self._by_somebody(entry, asked)
        if not asked.body.get("editable") or not set(entry.body["arguments"]) <= set(asked.body["arguments"]):
            self._say(entry, f"approval {entry.body['approval']} was edited where that cannot be")
        asked.answer, asked.edits = "edited", entry.body["arguments"]

    def edited_by(self, entry: Entry) -> None:
        """A decision about arguments that a person changed: the edit was made, of this step, and counts once."""
        made = entry.body
        edit = made["edit"]
        asked = self._known.get(edit)
        if asked is None or asked.edits is None:
            self._say(entry, f"decision {made['decision']} names edit {edit}, which nobody made")
            return
        same = all(asked.body[key] == made[key] for key in ("run", "agent", "tool"))
        if not same or set(asked.body["arguments"]) != set(made["arguments"] or {}):
            self._say(entry, f"decision {made['decision']} is about something else than edit {edit}")
            return
        for name, given in (made["arguments"] or {}).items():
            if name in asked.edits:
                text, meant = (
                    f"decision {made['decision']} has another value than edit {edit}",
                    asked.edits[name],
                )
            else:
                text = f"decision {made['decision']} has an argument that edit {edit} did not change, changed"
                meant = asked.body["arguments"][name]
            self._vouching.same(entry, text, name, given, meant)

    def vouched(self, entry: Entry) -> None:
        """Somebody vouched for a value, or let a class of data flow, with their yes."""
        asked = self._known.get(entry.body["approval"])
        alone = asked is not None and asked.answer == "approved" and len(asked.given) == 1
        self._vouching.entry(
            entry, asked.body if asked is not None and alone else None,
            asked.given[0] if asked is not None and alone else None,
        )  # fmt: skip

    def decided(self, entry: Entry) -> None:
        """A decision, which may count what a person vouched for."""
        self._vouching.decided(entry)

    def finish(self) -> None:
        """Compare what only the openings tell."""
        self._vouching.finish()

    def _consumed(self, entry: Entry, asked: _Asked) -> None:
        body = entry.body
        approval = body["approval"]
        if asked.consumed is not None:
            self._say(entry, f"approval {approval} was used before, by entry {asked.consumed}")
        if asked.answer is None:
            self._say(entry, f"approval {approval} was used without an answer")
        elif asked.answer not in ("approved", "edited"):
            self._say(entry, f"approval {approval} was used although it was {asked.answer}")
        if asked.expired or entry.at >= asked.expires:
            self._say(entry, f"approval {approval} was used after its time")
        if body["binding"] != asked.body["binding"]:
            self._say(entry, f"approval {approval} was used for another binding")
        asked.consumed = entry.seq

    def used_by(self, entry: Entry) -> None:
        """A decision that names an approval: one that lets the call run must be about it, and have used it up."""
        made = entry.body
        approval = made["approval"]
        asked = self._known.get(approval)
        if asked is None:
            self._say(entry, f"approval {approval} is named and was never asked for")
            return
        if asked.call != made["call"] and not self._resumed(made, asked):
            self._say(entry, f"approval {approval} was asked for another call")
        if asked.answer == "edited" and made["answer"] != "deny":
            self._say(entry, f"approval {approval} was edited, and let the call through that was asked for")
        if made["answer"] == "deny":
            return
        if asked.consumed is None:
            self._say(entry, f"approval {approval} was used without being consumed")
        if asked.decided:
            self._say(entry, f"approval {approval} let two calls through")
        asked.decided = True
        if made["approved"] != sorted(asked.body.get("groups") or [asked.body["group"]]):
            self._say(
                entry,
                f"decision {made['decision']} counts other groups than the one approval {approval} is from",
            )

    def _resumed(self, made: Mapping[str, Any], asked: _Asked) -> bool:
        """Whether a decision is about the same call, made again in another step of the same run."""
        if made.get("resumes") != asked.body["approval"]:
            return False
        return call_digest({**made, "step": asked.step}) == asked.call

    def _say(self, entry: Entry, text: str) -> None:
        self._told.finding(_CHECK, f"entry {entry.seq}", text)


def _adds_up(body: Mapping[str, Any]) -> bool:
    """Whether the people asked of several groups are as many as are asked together."""
    groups = body.get("groups")
    return groups is None or (len(groups) > 1 and sum(groups.values()) == _quorum(body))


def _quorum(body: Mapping[str, Any]) -> int:
    """How many people an approval asks; old ones ask one."""
    return int(body.get("quorum") or 1)


def call_digest(made: Mapping[str, Any]) -> str:
    """The digest of exactly the call that a decision is about, from its body."""
    arguments = made["arguments"]
    return digest(
        {
            "run": made["run"],
            "step": made["step"],
            "agent": made["agent"],
            "workflow": made["workflow"],
            "tool": made["tool"],
            "tool_digest": made["tool_digest"],
            "arguments": None
            if arguments is None
            else {name: one["commitment"] for name, one in arguments.items()},
        }
    )
