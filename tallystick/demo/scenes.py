"""Play the scenes and report: ``{"scenes": [{"name", "expected", "observed", "agrees", "run"}], "store"}``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tallystick.demo.acts import ACTS
from tallystick.demo.scene import Act
from tallystick.demo.stage import Stage, open_stage

Report = dict[str, Any]
Prove = Callable[[Stage, str], str]  # makes and verifies a run's evidence; says VERIFIES or what was found

VERIFIES: Final = "evidence verifies"


def play(
    store: Path | None = None,
    on_scene: Callable[[Report], object] | None = None,
    *,
    on_start: Callable[[str, str], object] | None = None,
    prove: Prove | None = None,
) -> Report:
    """Play every scene into a store (None: a new folder among the temporary files) and return the report.

    ``on_start`` hears a scene's name and title before it begins, ``on_scene`` its row of the report after it ended.
    With ``prove`` a scene agrees only when the evidence of its run verifies as well.
    """
    folder = store or Path(tempfile.mkdtemp(prefix="tally-demo-"))
    rows: list[Report] = []
    with open_stage(folder) as stage:
        for act in ACTS:
            if on_start is not None:
                on_start(act.name, act.title)
            row = _row(act, stage, prove)
            rows.append(row)
            if on_scene is not None:
                on_scene(row)
    return {"scenes": rows, "store": str(folder)}


def agrees(report: Report) -> bool:
    """Whether every scene of a report agrees."""
    return bool(report["scenes"]) and all(row["agrees"] for row in report["scenes"])


def _row(act: Act, stage: Stage, prove: Prove | None = None) -> Report:
    scene = act.play(stage)
    expected, observed = scene.expected, scene.observed
    if prove is not None:
        expected, observed = f"{expected}; {VERIFIES}", f"{observed}; {prove(stage, scene.run)}"
    return {
        "name": act.name,
        "expected": expected,
        "observed": observed,
        "agrees": expected == observed,
        "run": scene.run,
    }
