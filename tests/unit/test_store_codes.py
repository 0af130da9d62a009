"""Every word that a step may carry has a code in the store, and no code has changed its word."""

from tallystick.adapters.sqlite import rows
from tallystick.model.step import Effect, EffectOutcome, Kind, StepStatus


def test_every_word_has_a_code() -> None:
    assert set(rows.KINDS) == set(Kind)
    assert set(rows.STATUSES) == set(StepStatus)
    assert set(rows.EFFECTS) == {None, *Effect}
    assert set(rows.OUTCOMES) == {None, *EffectOutcome}


def test_codes_keep_their_words() -> None:
    assert [status.value for status in rows.STATUSES][:7] == [
        "running", "ok", "error", "denied", "held", "unknown", "stopped",
    ]  # fmt: skip
    assert [kind.value for kind in rows.KINDS][:5] == ["goal", "plan", "model", "tool", "retrieval"]
