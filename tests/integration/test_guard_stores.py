"""The guard's tests of money and approvals once more, on the real control stores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit"))

import guard_house
import test_guard
import test_guard_approvals
import test_guard_money
import test_guard_remade
from control_double import Clock, Ids
from guard_remade import Record, problems

from tallystick.adapters.memory import MemoryControl
from tallystick.adapters.sqlite import SqliteControl
from tallystick.model.journal import Draft, Entry

CASES = [
    found
    for module in (test_guard, test_guard_approvals, test_guard_money, test_guard_remade)
    for name, found in sorted(vars(module).items())
    if name.startswith("test_")
    and not getattr(found, "pytestmark", ())
    and "broken_store" not in name
    and not hasattr(found, "hypothesis")
]


def watched(kind: type[Any], make: Callable[[Clock], tuple[Any, ...]]) -> type[Any]:
    """A real store that also tells what was written together."""

    class Watched(kind):  # type: ignore[misc]
        def __init__(self, clock: Clock) -> None:
            super().__init__(*make(clock), clock=clock, ids=Ids())
            self.transactions: list[list[str]] = []

        def append(self, drafts: Sequence[Draft], *, expecting: int | None = None) -> tuple[Entry, ...]:
            entries: tuple[Entry, ...] = super().append(drafts, expecting=expecting)
            self.transactions.append([draft.kind for draft in drafts])
            return entries

        @property
        def journal(self) -> list[Entry]:
            return list(self.entries(limit=100_000))

    return Watched


@pytest.fixture(params=["memory", "sqlite"])
def real(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Any]]:
    opened: list[Any] = []
    numbers = count()
    if request.param == "memory":
        kind = watched(MemoryControl, lambda _clock: ())
    else:
        kind = watched(SqliteControl, lambda _clock: (tmp_path / f"control-{next(numbers)}.db",))

    def open_store(clock: Clock) -> Any:
        opened.append(kind(clock))
        return opened[-1]

    monkeypatch.setattr(guard_house, "Control", open_store)
    yield opened
    for store in opened:
        store.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.removeprefix("test_"))
def test_on_a_real_store(real: list[Any], case: Callable[[], None]) -> None:
    case()
    for store in real:
        found = problems(Record(store))
        assert [one for one in found if not one.endswith(("masked", "no canonical JSON"))] == []
        assert store.verify() == store.head()[0]
        assert store.rebuild()["changed"] == 0
