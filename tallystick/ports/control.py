"""The control store: the journal, and the views that its entries make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tallystick.govern.people import People
from tallystick.model.commitment import Opening
from tallystick.model.control import Approval, Budget, Switch
from tallystick.model.journal import Draft, Entry
from tallystick.model.registry import Alias, Declared, Shown, Version


class ControlStore(Protocol):
    """The journal and its views (registry, approvals, budgets, holds)."""

    def append(self, drafts: Sequence[Draft], *, expecting: int | None = None) -> tuple[Entry, ...]:
        """Write entries and their effect on the views in one durable transaction, or nothing at all.

        What must hold before an entry may be written is checked inside the transaction, in order: a hold that does
        not fit a hard budget raises OverBudget; an approval that is not waiting cannot be answered, one that is
        not approved (or whose binding differs, or that has expired) cannot be consumed: Conflict; an answer to an
        approval by a person who may not give it at that moment is Denied; settling a hold
        twice is Conflict; records of a run that do not follow those attested before are Conflict. BadInput: a body
        that JSON cannot hold or that has an object like a commitment, a leaf over 65,535 bytes, a text that the body
        does not name or a text it names that nobody gave, a content in a field that a view cannot do without.

        What comes for a run after a ``content.erased`` entry of it is committed to, and its openings are not kept.

        ``expecting``: the ``registry_revision`` from which the drafts were made. Where it is another by now: Conflict
        with details ``expected`` and ``revision``.
        """
        ...

    def entries(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        kind: str | None = None,
        run: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        newest: bool = False,
    ) -> Sequence[Entry]:
        """Entries in order of ``seq``, or ``newest`` first. ``kind`` may end in ``.*``.

        What is asked by a whole kind, a run, a subject or an actor is looked up: other entries cost it nothing.
        """
        ...

    def head(self) -> tuple[int, bytes]:
        """The number of entries and the root of the Merkle tree over them, from one moment."""
        ...

    def nodes(self, wanted: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Hashes of complete subtrees (level, index), in the order asked for; see ``proof.merkle.Nodes``.

        Raises UnknownThing for a subtree that is not complete.
        """
        ...

    def tile(self, level: int, index: int, width: int = 256) -> bytes:
        """``width`` hashes of a tlog-tiles tile (level counts in steps of eight). Raises UnknownThing."""
        ...

    def openings(self, seqs: Sequence[int]) -> Mapping[int, Sequence[Opening]]:
        """What opens the commitments of entries, by seq; what was erased or never kept comes without content."""
        ...

    def text(self, digest: str) -> str:
        """A text that an entry names by digest. Raises UnknownThing."""
        ...

    def erase(self, seqs: Sequence[int]) -> Sequence[str]:
        """Erase the openings of entries, and what the views hold of them; the commitments that were open until now.

        Proofs stand. A content that other entries committed to as well stays in their openings. The journal does not
        say by itself that something was erased: the caller writes ``content.erased``.
        """
        ...

    def wipe(self) -> bool:
        """Write the file anew, so that no byte of what was erased is left in it; false where somebody still reads from
        before. Costs reading and writing all of it."""
        ...

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint; of one that is here already, add the signatures that are new.

        Raises BadInput for a text that is no signed checkpoint, and Conflict where it is not one of the first ``size``
        entries of this journal. Whether signatures are true is not asked.
        """
        ...

    def checkpoints(self, *, limit: int = 50) -> Sequence[tuple[int, str]]:
        """Checkpoints as (size, note), newest first."""
        ...

    def declared(self, type: str | None = None, *, retired: bool = False) -> Sequence[Declared]:
        """Declared objects as they are now, by type and name; those that are retired only when asked for."""
        ...

    def versions(self, type: str, name: str) -> Sequence[Version]:
        """All versions of one object, newest first; empty where nobody declared it."""
        ...

    def aliases(self, type: str | None = None, name: str | None = None) -> Sequence[Alias]:
        """Aliases, by type, name and alias."""
        ...

    def shown(self, tool: str | None = None) -> Sequence[Shown]:
        """Definitions that tools showed, by tool, channel and time; see ``model.registry.Shown``."""
        ...

    def registry_revision(self) -> int:
        """The number of the newest entry that guards must hear of; 0 without any.

        Its kinds: object.*, alias.*, definition.*, switch.*.

        Cheap enough to be asked every second by every process.
        """
        ...

    def people(self) -> People:
        """All people, tokens and delegations, from one moment."""
        ...

    def people_revision(self) -> int:
        """The number of the newest entry that changed what people may do (person.*, token.*, delegation.*,
        signin.ended); 0 without any.

        Cheap enough to be asked with every request.
        """
        ...

    def approvals(
        self, *, state: str | None = None, run: str | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """Approvals, newest first."""
        ...

    def approval(self, approval: str) -> Approval:
        """One approval by id or unambiguous prefix. Raises UnknownThing."""
        ...

    def budgets(self, scope: str | None = None) -> Sequence[Budget]:
        """Budgets with what is spent and held, by scope."""
        ...

    def switches(self) -> Sequence[Switch]:
        """What is stopped now, by scope."""
        ...

    def stopped(self, run: str) -> Entry | None:
        """The entry that stopped a run, if one did."""
        ...

    def verify(self) -> int:
        """Hold every row of the store against the journal; return the number of entries. Nothing is written.

        Raises StoreFault naming the entry (detail ``seq``) that was changed, is missing or stands in the wrong place,
        the tile, opening, text or view that does not fit, or the checkpoint to which the journal no longer leads
        (detail ``size``, ``finding``: "forked" or "shorter").
        """
        ...

    def rebuild(self) -> Mapping[str, int]:
        """Make the views anew from the journal; returns rows per view and ``changed`` (0 when the views were true)."""
        ...

    def info(self) -> Mapping[str, Any]:
        """Facts for ``tally store info``."""
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is allowed."""
        ...
