"""A report in lines for people: a sign and a word for each check, the two lamps, and what is not proved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tallystick.proof.report import CHECKS, PROVES_NOT, Checked, Report, State

SIGNS: Final = {State.HOLDS: "✓", State.FINDING: "✗", State.NOT_CHECKED: "–"}
_LAMPS: Final = {"holds": "✓", "broken": "✗", "unchecked": "–", "green": "✓", "red": "✗", "grey": "–"}
_STYLES: Final = {"✓": "green", "✗": "red", "–": "dim"}
_WIDE: Final = max(map(len, CHECKS))


def told(report: Report) -> Iterator[tuple[str, str]]:
    """The report as (line, style); a style is "green", "red", "dim" or empty. Lines are safe to print."""
    yield (
        plain(
            f"run {report.run or '?'} of {report.origin or '?'}, evidence made {report.made or '?'}"
            + (", redacted" if report.redacted else "")
        ),
        "",
    )
    for one in report.checks:
        yield from _check(one)
    yield "", ""
    for name, state in (("integrity", report.integrity), ("completeness", report.completeness)):
        sign = _LAMPS[state]
        yield f"{sign} {name:<{_WIDE}}  {state}", _STYLES[sign]
    yield f"  {report.why}", ""
    yield "", ""
    yield "What this does not prove:", ""
    for text in PROVES_NOT:
        yield f"  {text}", "dim"


def _check(one: Checked) -> Iterator[tuple[str, str]]:
    sign = SIGNS[one.state]
    head = f"{sign} {one.check:<{_WIDE}}  {one.state.value}"
    if one.state is State.HOLDS:
        yield f"{head}: {one.count:,}, {CHECKS[one.check]}", "green"
    else:
        yield head, _STYLES[sign]
    for item in one.findings:
        yield plain(f"    ✗ {_at(item.place)}{item.text}"), "red"
    for item in one.not_checked:
        often = f" ({item.count:,} times)" if item.count > 1 else ""
        yield plain(f"    – not checked: {_at(item.place)}{item.text}{often}"), "dim"
    if one.state is State.NOT_CHECKED and not one.not_checked:
        yield "    – there was nothing to check", "dim"


def _at(place: str) -> str:
    return f"{place}: " if place else ""


def plain(text: str) -> str:
    """One line that a terminal shows as it is: what could steer it is replaced."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
