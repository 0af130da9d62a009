"""A scene agrees only when its two texts are equal, and a demo without scenes proves nothing."""

from __future__ import annotations

import pytest

from tallystick.demo.facts import standing


@pytest.mark.parametrize(("rows", "answer"), [([], False), ([True], True), ([True, False], False)])
def test_a_report_agrees_when_every_scene_does(rows, answer):
    from tallystick.demo.scenes import agrees

    assert agrees({"scenes": [{"agrees": row} for row in rows]}) is answer


@pytest.mark.parametrize(("observed", "agrees"), [("same", True), ("other", False)])
def test_a_row_compares_what_should_be_with_what_is(observed, agrees):
    from tallystick.demo.scene import Act, Scene
    from tallystick.demo.scenes import _row

    row = _row(Act("name", "title", lambda stage: Scene("run-1", "same", observed)), None)
    assert row == {"name": "name", "expected": "same", "observed": observed, "agrees": agrees, "run": "run-1"}


def test_a_lossy_run_does_not_read_like_a_whole_one():
    whole = {"run": {"status": "ok", "completeness": "complete", "stopped_by": None}}
    assert standing(whole) != standing({"run": whole["run"] | {"completeness": "lossy"}})


def test_a_scene_whose_evidence_does_not_verify_does_not_agree():
    from tallystick.demo.scene import Act, Scene
    from tallystick.demo.scenes import VERIFIES, _row

    act = Act("name", "title", lambda stage: Scene("run-1", "same", "same"))
    asked = []
    for said, agrees in ((VERIFIES, True), ("evidence: 1 finding", False)):
        row = _row(act, None, lambda stage, run, said=said: asked.append(run) or said)
        assert (row["agrees"], row["observed"]) == (agrees, f"same; {said}")
    assert asked == ["run-1", "run-1"]
