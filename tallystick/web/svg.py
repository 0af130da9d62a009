"""Small pictures as SVG text: bars and the notched stick. Pure; colours come from classes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup


def share(part: int | float | None, whole: int | float | None) -> float:
    """``part`` of ``whole`` between 0 and 1; unknown or empty is 0 (the text beside a bar says which)."""
    if not part or not whole or whole <= 0:
        return 0.0
    return max(0.0, min(1.0, part / whole))


def bar(part: int | None, whole: int | None, tone: str = "plain", width: int = 64, height: int = 6) -> Markup:
    """A horizontal bar of ``part`` against ``whole``, at least a sliver when there is anything at all."""
    filled = share(part, whole) * width
    filled = max(filled, 1.5) if part else 0.0
    return Markup(
        '<svg class="bar" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-hidden="true">'
        '<rect class="bar-rest" width="{w}" height="{h}" rx="1"/>'
        '<rect class="bar-{tone}" width="{f}" height="{h}" rx="1"/></svg>'
    ).format(w=width, h=height, f=f"{filled:.1f}", tone=tone)


def stacked(parts: Sequence[tuple[str, int]], width: int = 600, height: int = 14) -> Markup:
    """A row of parts that fill the width in proportion; ``parts`` are (tone, size), sizes not negative."""
    whole = sum(size for _, size in parts)
    pieces: list[Markup] = []
    left = 0.0
    for tone, size in parts:
        span = share(size, whole) * width
        if span <= 0:
            continue
        pieces.append(
            Markup('<rect class="bar-{}" x="{}" width="{}" height="{}"/>').format(
                tone, f"{left:.1f}", f"{max(span - 1, 0.5):.1f}", height
            )
        )
        left += span
    return Markup(
        '<svg class="stacked" viewBox="0 0 {w} {h}" preserveAspectRatio="none" '
        'aria-hidden="true">{body}</svg>'
    ).format(w=width, h=height, body=Markup("").join(pieces))
