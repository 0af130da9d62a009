"""Approvals: what people say to held calls: yes, no, other arguments; and what they vouch for with a yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tallystick.app.acting.waiting import expire
from tallystick.app.reading.shapes import approval_json
from tallystick.govern.approvals import ANSWERS, answered, edited, settled
from tallystick.model.commitment import Content
from tallystick.model.control import Approval, ApprovalState
from tallystick.model.errors import BadInput, Denied
from tallystick.model.journal import Draft
from tallystick.model.masking import mask
from tallystick.model.people import Caller
from tallystick.ports import Clock, ControlStore, Ids

_LONGEST_NOTE: Final = 4_000
_LONGEST_NAME: Final = 256
MOST_AT_ONCE: Final = 20  # approvals that one command answers
RUN_NS: Final = 86_400 * 1_000_000_000  # what is vouched for in a run holds a day

Sign: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # an answer -> a DSSE envelope over it


@dataclass(frozen=True, slots=True)
class Vouch:
    """What is said once of later calls with a yes: values of ``endorse``, classes of ``release`` to this tool.

    ``until`` (nanoseconds since the epoch): for the agent until then; None: in this run, for a day.
    """

    endorse: Sequence[str] = ()
    release: Sequence[str] = ()
    until: int | None = None


NOTHING_VOUCHED: Final = Vouch()


def answer(
    control: ControlStore, clock: Clock, ids: Ids, approval_id: str, answer: str, by: Caller, note: str | None = None,
    *, sign: Sign | None = None, vouch: Vouch = NOTHING_VOUCHED,
) -> dict[str, Any]:  # fmt: skip
    """Approve or reject one held call; returns the approval as it stands then.

    ``approval_id`` may be a prefix. ``by`` is whoever the door let in: once there are people, a person in the
    approval's group, and that is checked again in the transaction that writes the answer. Where a rule asks for
    several people the approval waits on until enough of them said yes. ``sign`` puts the journal's
    signature to ``{approval, binding, answer, by, person, via, at}`` (``at`` in nanoseconds, as text); without it the
    entry has no envelope. Raises UnknownThing, BadInput for another answer, no name, a missing reason or what cannot be
    vouched for, Denied for who may not answer, and Conflict when the approval was answered before or is past its time
    (it is then recorded as expired).
    """
    if answer not in ANSWERS:
        raise BadInput(f"{answer!r} is no answer to an approval", hint="approved or rejected")
    found = _waiting(control, clock, approval_id, by, note)
    yes = answer == ApprovalState.APPROVED
    if found.asks and yes and not (note or "").strip():
        raise BadInput(
            f"the rule wants to know: {found.asks}", hint='answer with --note "…"', asks=found.asks
        )
    if not yes and (vouch.endorse or vouch.release):
        raise BadInput("who says no vouches for nothing", hint="leave out what is endorsed and released")
    groups = _speaks_for(control, clock, found, by) if found.groups is not None and yes else ()
    # said here in words; checked again where it is written
    answered(found, answer, by.name, note, clock.now(), groups)
    given = _given(found, by, answer=answer)
    body = {
        **given, **({"groups": list(groups)} if groups else {}),
        "note": None if note is None else Content(note, ids.salt()),
        "envelope": None if sign is None else sign({**given, "at": str(clock.now())}),
    }  # fmt: skip
    drafts = [Draft("approval.answered", found.id, body, run=found.run, actor=by.name)]
    control.append([*drafts, *_vouched(control, clock, ids, found, by, vouch)])
    return approval_json(control.approval(found.id))


def edit(
    control: ControlStore, clock: Clock, ids: Ids, approval_id: str, changes: Mapping[str, Any], by: Caller,
    note: str | None = None, *, sign: Sign | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Propose other values of named arguments in place of a held call; returns the approval, which is then settled.

    The changed call is decided anew by the guard that waits, through every stage, and may be held again. Raises as
    ``answer`` does, and BadInput for an argument that the call has not, or for a value that may not be kept.
    """
    found = _waiting(control, clock, approval_id, by, note)
    edited(found, changes, by.name, note, clock.now())
    contents = {name: Content(value, ids.salt()) for name, value in changes.items()}
    for name, value in changes.items():
        if value is None or mask(value) != value:
            raise BadInput(
                f"the value of {name!r} cannot be written down", hint="no null, and no credentials"
            )
    given = _given(found, by, arguments={name: one.commitment for name, one in contents.items()})
    body = {
        **_given(found, by), "arguments": contents, "note": None if note is None else Content(note, ids.salt()),
        "envelope": None if sign is None else sign({**given, "at": str(clock.now())}),
    }  # fmt: skip
    control.append([Draft("approval.edited", found.id, body, run=found.run, actor=by.name)])
    return approval_json(control.approval(found.id))


def reply(
    control: ControlStore, clock: Clock, ids: Ids, approval_id: str, said: str, by: Caller, note: str | None = None, *,
    sign: Sign | None = None, endorse: Sequence[str] = (), release: Sequence[str] = (), until: int | None = None,
    edits: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What a door passes on: ``said`` is approved, rejected or edited (then ``edits`` are the proposed values).

    See ``answer`` and ``edit``.
    """
    if said == ApprovalState.EDITED:
        if endorse or release:
            raise BadInput("an edit vouches for nothing", hint="approve the changed call, and vouch then")
        return edit(control, clock, ids, approval_id, edits or {}, by, note, sign=sign)
    if edits:
        raise BadInput("values are proposed by an edit", hint="answer: edited")
    vouch = Vouch(tuple(endorse), tuple(release), until)
    return answer(control, clock, ids, approval_id, said, by, note, sign=sign, vouch=vouch)


def _waiting(control: ControlStore, clock: Clock, approval_id: str, by: Caller, note: str | None) -> Approval:
    """The approval that somebody answers, while it waits."""
    if not by.name.strip():
        raise BadInput("an approval is answered by somebody", hint="say who")
    if len(by.name) > _LONGEST_NAME:
        raise BadInput(f"a name has at most {_LONGEST_NAME} characters")
    if note is not None and len(note) > _LONGEST_NOTE:
        raise BadInput(f"a note has at most {_LONGEST_NOTE} characters")
    found = control.approval(approval_id)
    if found.state is not ApprovalState.WAITING:
        raise settled(found)
    if clock.now() >= found.expires:
        raise settled(expire(control, found))
    return found


def _speaks_for(control: ControlStore, clock: Clock, found: Approval, by: Caller) -> tuple[str, ...]:
    """The groups of those asked that somebody may say yes for; everybody may for all where nobody was ever added."""
    people, at = control.people(), clock.now()
    may = {group: people.may_answer(by.name, group, at) if people.exist else None for group in found.asked}
    groups = tuple(sorted(group for group, why in may.items() if why is None))
    if not groups:
        raise Denied(f"this approval asks {found.group}: {next(iter(may.values()))}", hint="tally users ls")
    return groups


def _given(found: Approval, by: Caller, **more: Any) -> dict[str, Any]:
    return {
        "approval": found.id, "binding": found.binding, **more, "by": by.name, "person": by.person, "via": by.via.value,
    }  # fmt: skip


def _vouched(
    control: ControlStore, clock: Clock, ids: Ids, found: Approval, by: Caller, vouch: Vouch
) -> list[Draft]:
    """The entries of what is vouched for, written with the answer."""
    if not vouch.endorse and not vouch.release:
        return []
    masked = _masked(control, found)
    whose = {"run": found.run, "agent": None} if vouch.until is None else {"run": None, "agent": found.agent}
    until = clock.now() + RUN_NS if vouch.until is None else vouch.until
    common = {"approval": found.id, **whose, "tool": found.tool, "until_ns": str(until), "by": by.name}
    drafts: list[Draft] = []
    for name in dict.fromkeys(vouch.endorse):
        if name not in found.arguments:
            raise BadInput(
                f"the call has no argument {name!r}", hint="its arguments: " + ", ".join(found.arguments)
            )
        if name in masked:
            raise BadInput(f"the value of {name!r} is not kept, so nobody can vouch for it later")
        value = Content(found.arguments[name], ids.salt())
        drafts.append(_word("value.endorsed", ids, found, by, {**common, "argument": name, "value": value}))
    for name in dict.fromkeys(vouch.release):
        drafts.append(_word("label.released", ids, found, by, {**common, "class": name}))
    return drafts


def _word(kind: str, ids: Ids, found: Approval, by: Caller, body: Mapping[str, Any]) -> Draft:
    name = ids.new("vch")
    return Draft(kind, name, {"vouched": name, **body}, run=found.run, actor=by.name)


def _masked(control: ControlStore, found: Approval) -> set[str]:
    """Arguments of a held call that people see in another form than they are used in."""
    entries = control.entries(kind="approval.requested", subject=found.id, limit=1)
    return {name for entry in entries for name in entry.body.get("shown") or {}}
