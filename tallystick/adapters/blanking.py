"""A step and its span without contents, for every trace store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tallystick.model.attributes import ERASED
from tallystick.model.span import Span
from tallystick.model.step import Step

_TYPE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_]{0,63}){0,7}")
_BLANK: Final = {ERASED: True}
_STAYING_LINKS: Final = ("trace:", "response:")


def blank(step: Step, span: Span) -> tuple[Step, Span]:
    """The same without what people, models and tools wrote.

    Of the step everything that its record covers stays (proof/records.py): without it the proof would not stand. An
    error stays where the span says that it is the name of a type and it looks like one. Done twice, nothing changes.
    """
    typed = step.error in (span.attributes.get("error.type"), *_types(span)) or span.attributes == _BLANK
    error = step.error if typed and step.error is not None and _TYPE.fullmatch(step.error) else None
    facts = {name: value for name, value in (step.facts or {}).items() if name != "goal"}
    left = replace(
        step, error=error, facts=facts or None, subject=None, conversation=None, prompt=None, offered=None,
        links=tuple(link for link in step.links if link.startswith(_STAYING_LINKS)), ties=(),
    )  # fmt: skip
    return left, replace(span, status_message="", attributes=dict(_BLANK), events=(), links=())


def _types(span: Span) -> Iterator[object]:
    return (event.attributes.get("exception.type") for event in span.events)
