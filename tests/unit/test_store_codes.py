"""Every word that a step may carry is kept by the store as it is."""

from pathlib import Path

import pytest

from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.model.span import Source, Span
from tallystick.model.step import Effect, EffectOutcome, Kind, Step, StepStatus


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("kind", Kind),
        ("status", StepStatus),
        ("effect", (None, *Effect)),
        ("outcome", (None, *EffectOutcome)),
    ],
)
def test_every_word_comes_back(tmp_path: Path, field: str, words: list[object]) -> None:
    store = SqliteTraces(tmp_path / "traces.db")
    for number, word in enumerate(words):
        ids = ("1" * 32, f"{number + 1:016x}", None)
        step = Step(*ids, None, Kind.OTHER, "n", StepStatus.OK, number + 1, number + 2, "", "")
        setattr(step, field, word)
        store.write([(step, Span(*ids, "n", number + 1, number + 2, Source()))], at=1)
    store.close()
    again = SqliteTraces(tmp_path / "traces.db")  # nothing of it is known from writing
    assert [getattr(step, field) for step in again.steps("1" * 32)] == list(words)
    again.close()
