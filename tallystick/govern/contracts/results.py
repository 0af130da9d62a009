"""What may not stand in a result, or an answer: credentials, and data of persons where the tool declares none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from tallystick.govern.contracts.shape import shape_differences
from tallystick.model.contract import Difference
from tallystick.model.guarding import ToolDeclaration

SECRETS: Final = "secrets"
PERSONAL: Final = "personal"
_PERSONS: Final = ("email", "phone", "card", "iban", "ip", "ssn")  # kinds that the redactor counts


class Finds(Protocol):
    """What finds things in a value and counts them by kind (``govern.redaction.Redactor``)."""

    def value(self, value: Any, counts: Counter[str], depth: int = 0) -> Any:
        """The value without what was found."""
        ...


def result_differences(
    tool: ToolDeclaration, result: Any, finds: Finds | None = None, wanted: Sequence[str] = ()
) -> tuple[Difference, ...]:
    """Where a JSON-ready result does not keep what is declared: the schema, and the checks that are ``wanted``.

    ``wanted``: "secrets" and "personal". Data of persons is looked for only where the tool declares no class of data:
    a tool that says that it returns customers' addresses may return them.
    """
    found = shape_differences(tool.output, result) if tool.output is not None else ()
    if finds is None or not wanted:
        return found
    counts: Counter[str] = Counter()
    finds.value(result, counts)
    return (*found, *held_differences(counts, wanted, declared=bool(_classes(tool))))


def held_differences(
    counts: Mapping[str, int], wanted: Sequence[str], *, declared: bool
) -> tuple[Difference, ...]:
    """What was found of the wanted kinds. The kinds are named, never what was found."""
    persons = {kind: many for kind, many in counts.items() if kind in _PERSONS}
    secrets = {kind: many for kind, many in counts.items() if kind not in _PERSONS}
    found = []
    if SECRETS in wanted and secrets:
        found.append(Difference.of(SECRETS, f"it holds what looks like a credential ({_named(secrets)})"))
    if PERSONAL in wanted and persons and not declared:
        found.append(
            Difference.of(PERSONAL, f"it holds data of persons that nobody declared ({_named(persons)})")
        )
    return tuple(found)


def _classes(tool: ToolDeclaration) -> tuple[str, ...]:
    return (*tool.data, *(name for one in tool.returns.values() for name in one.classes))


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind}: {many}" for kind, many in sorted(counts.items()))
