"""Final answers: marks of what in them rests on third parties, and of what nobody gave."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from opentelemetry.trace import StatusCode

from tallystick.model import attributes as names
from tallystick.model.masking import mask_text
from tallystick.sdk.active import Recording
from tallystick.sdk.edge import edge
from tallystick.sdk.stepping import OpenStep
from tallystick.sdk.values import cut_text

_MOST: Final = 100  # marks that are recorded
_MOST_PARTS: Final = 200
_LONGEST: Final = 100_000  # characters of an answer that are held against what was said and read
_encode: Final = msgspec.json.Encoder().encode


@edge("answer.marks", None)
def mark_answer(active: Recording, step: OpenStep, text: Any) -> None:
    """Write on a step what is known of the answer that it gives; a guard that cannot say leaves it unmarked.

    ``tallystick.output.marks``: JSON ``{"third_party": [{value, at, integrity, sources}], "ungrounded": [value],
    "parts": [{at, end, text, kind, integrity, source, step}], "whole": bool}``. ``parts`` are the places of the answer
    that stand in what others said, in characters. With ``must_cite`` an answer with a value that nobody gave breaks its
    contract.
    """
    contracts = getattr(active.guard, "contracts", None)
    if contracts is None or not isinstance(text, str) or not active.contents:
        return
    answered, broken = contracts.answered(step.run, text[:_LONGEST])
    marks = {
        "third_party": [one.as_json() for one in answered.marks[:_MOST]],
        "ungrounded": list(answered.ungrounded[:_MOST]),
        "parts": [one.as_json(text) for one in answered.parts[:_MOST_PARTS]],
        "whole": answered.whole
        and answered.parts_whole
        and len(text) <= _LONGEST
        and len(answered.marks) <= _MOST
        and len(answered.parts) <= _MOST_PARTS,
    }
    step.note({names.OUTPUT_MARKS: _encode(marks).decode()})
    if broken is not None:
        said = cut_text(mask_text(broken.text), 4_000)
        step.note({names.CONTRACT: said, "error.type": f"contract {broken.contract}"})
        step.span.set_status(StatusCode.ERROR, cut_text(said, 1_000))
