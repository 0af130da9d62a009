"""Whether all that happened in a run is here, and how the run stands.

A run that Tallystick's SDK recorded says how many steps it gave numbers to and which process it lived in, so a gap is
counted and a death is noticed. Of any other run only the tree is known: it is complete when its root has ended and no
parent is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.model.run import Completeness, RunStatus
from tallystick.observe.numbering import gaps, legs_at_work, too_many, unsaid
from tallystick.observe.parents import lacking
from tallystick.observe.summary import Root, Tally

SILENT_AFTER_NS = 120 * 1_000_000_000
# A leg that is at work in a living process keeps an ended run open for so long: anybody can claim to be one.
ABANDONED_NS = 24 * 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``missing`` counts the steps known to be missing: 0 in a complete run, None while nobody can know."""

    completeness: Completeness
    status: RunStatus
    missing: int | None


_OPEN = Verdict(Completeness.OPEN, RunStatus.RUNNING, None)


def judge(tally: Tally, *, now: int, alive: bool | None, silent_after: int = SILENT_AFTER_NS) -> Verdict:
    """Judge a run at ``now`` (nanoseconds, the store's clock).

    ``alive`` says whether the run's process still lives (None: cannot be told from here); only then does the silence
    since the last record decide.
    """
    quiet = now - tally.seen > silent_after
    if tally.root is not None and tally.root.rank == 0:
        dead = alive is False or (alive is None and quiet)
        return _recorded(tally, tally.root, dead=dead, left=dead or now - tally.seen > ABANDONED_NS)
    if tally.seqs:
        return _rootless(tally) if quiet else _OPEN
    whole = tally.root is not None and not lacking(tally) and not tally.running
    # A log record as the root ends nothing: only silence says that no more will come.
    if whole and tally.root is not None and (quiet or tally.root.rank < 2):
        return _ended(tally, 0)
    if not quiet:
        return _OPEN
    if tally.running:
        return Verdict(Completeness.CRASHED, RunStatus.CRASHED, None)
    return Verdict(Completeness.LOSSY, _status(tally), max(1, lacking(tally)))


def _recorded(tally: Tally, root: Root, *, dead: bool, left: bool) -> Verdict:
    if not root.ended:
        return Verdict(Completeness.CRASHED, RunStatus.CRASHED, None) if dead else _OPEN
    if not left and legs_at_work(tally.legs):
        return _OPEN  # another process still works for this run
    if too_many(tally.numbered):
        return Verdict(Completeness.LOSSY, _status(tally), None)
    return _ended(tally, gaps(tally.numbered) + max(tally.running, unsaid(tally.numbered)))


def _ended(tally: Tally, lacking: int) -> Verdict:
    missing = max(lacking, tally.lost)
    whole = not missing and not tally.dropped
    return Verdict(Completeness.COMPLETE if whole else Completeness.LOSSY, _status(tally), missing)


def _rootless(tally: Tally) -> Verdict:
    """The SDK numbered these steps, yet the root never came."""
    if tally.running:
        return Verdict(Completeness.CRASHED, RunStatus.CRASHED, None)
    return Verdict(Completeness.LOSSY, RunStatus.UNKNOWN, max(1, tally.max_seq - tally.seqs, lacking(tally)))


def _status(tally: Tally) -> RunStatus:
    root = tally.last_root
    if root is None:
        return RunStatus.UNKNOWN
    if root.outcome in ("ok", "failed", "stopped"):
        return RunStatus(root.outcome)
    if root.status == "error":
        return RunStatus.FAILED
    return RunStatus.UNKNOWN if root.status in ("unknown", "running") else RunStatus.OK


def watched(tally: Tally) -> str | None:
    """The processes (one to a line) whose death would end this run, while it is open: the root's, then the legs'."""
    root = tally.root
    if root is None or root.rank != 0:
        return None
    if not root.ended:
        return root.process
    return "\n".join(legs_at_work(tally.legs)) or None
