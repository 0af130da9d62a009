"""Text that speaks to the model that reads it: orders, false roles, and marks of a prompt's own syntax."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_PATTERNS: Final = tuple(
    re.compile(one, re.IGNORECASE)
    for one in (
        r"\b(?:ignore|disregard|forget|override|bypass)\s+(?:all\s+|any\s+|the\s+|your\s+|my\s+|these\s+|those\s+)*"
        r"(?:previous|prior|above|earlier|preceding|former|system|original|other)\s+"
        r"(?:instruction|message|prompt|command|order|rule|guideline|direction|context|task)s?",
        r"\b(?:do\s+not|don't|never)\s+(?:tell|inform|mention|reveal|say|show)\b.{0,30}\b(?:user|human|anyone|operator)",
        r"\b(?:you\s+are\s+now|from\s+now\s+on,?\s+you|act\s+as|pretend\s+to\s+be|new\s+(?:system\s+)?instructions?\s*:)",
        r"<\s*/?\s*(?:system|important|information|instructions?|admin|assistant|user|tool_?(?:call|result|response)|"
        r"function_?calls?|human|priority)\s*>",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|>|\[/?INST\]|<</?SYS>>",
        r"^\s{0,8}(?:system|assistant|developer)\s*:\s*\S",
        r"\b(?:this\s+is|important)\b.{0,20}\bmessage\s+(?:from|for)\s+(?:me|the\s+(?:user|assistant|ai|model|agent)|\w+)"
        r"\b.{0,40}\b(?:to\s+you|assistant|ai|model|before)",
        r"\bbefore\s+(?:you\s+)?(?:can\s+)?(?:solv|complet|do|continu|answer|perform)\w*\b.{0,40}\b(?:task|request|that)\b"
        r".{0,60}\b(?:please|must|need|have\s+to|should)\b",
        r"\b(?:ai|llm|language\s+model|assistant|agent|chatbot|gpt|claude|gemini)s?\b.{0,40}"
        r"\b(?:must|should|need\s+to|are\s+(?:required|instructed)\s+to|please)\b.{0,40}"
        r"\b(?:send|forward|delete|transfer|pay|call|execute|run|visit|open|click|share|email|post|change|update)\b",
        r"\b(?:reveal|print|repeat|output|show|leak)\b.{0,20}\b(?:system\s+prompt|your\s+(?:instructions|prompt|rules))",
    )
)


class Instructions:
    """Notices text that gives orders to whoever processes it. It errs: a manual for agents reads the same."""

    name = "instructions"

    def look(self, text: str) -> Iterator[str]:
        """The pieces that read like orders."""
        for line in text.splitlines():
            for pattern in _PATTERNS:
                hit = pattern.search(line[:4_000])
                if hit is not None:
                    yield hit.group(0)
                    break
