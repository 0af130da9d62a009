"""A scene's evidence, made and verified the way ``tally evidence`` and ``tally verify`` do it."""

from __future__ import annotations

import io

from tallystick import wiring
from tallystick.app.prove.verification import HouseJudge
from tallystick.demo.scenes import VERIFIES
from tallystick.demo.stage import Stage
from tallystick.proof.keys import VerifierKey
from tallystick.proof.verify import Trust, verify


def prove(stage: Stage, run: str) -> str:
    """Make the evidence of a run and verify it with the journal's public key alone.

    ``VERIFIES``, or the first finding in words. Raises StoreFault where no evidence can be made.
    """
    stores = stage.stores
    make = wiring.journal.evidence_maker(stores, stage.settings, wiring.rate_card(), _nobody_listens)
    file = io.BytesIO(b"".join(make(run, False)))
    key = VerifierKey.parse(wiring.journal.signer(stores.path, stage.settings).verifier_key)
    report = verify(file, Trust((key,)), HouseJudge())
    if report.ok:
        return VERIFIES
    first = report.findings[0]
    return f"evidence is refused: {first.check}, {first.place}: {first.text}"


def _nobody_listens(_: str) -> None:
    """The demo's store has no witnesses and no exports: there is nothing to be told."""
