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


def columns(
    days: Sequence[tuple[str, Sequence[tuple[str, int]]]], width: int = 8, height: int = 22
) -> Markup:
    """Stacked columns side by side, the tallest filling the height; ``days`` are (label, [(tone, size)])."""
    tallest = max((sum(size for _, size in parts) for _, parts in days), default=0)
    pieces: list[Markup] = []
    for place, (label, parts) in enumerate(days):
        top = float(height)
        told = ", ".join(f"{size} {tone}" for tone, size in parts if size) or "no runs"
        bars: list[Markup] = []
        for tone, size in reversed(parts):
            tall = share(size, tallest) * (height - 2)
            if tall <= 0:
                continue
            tall = max(tall, 1.5)
            top -= tall
            bars.append(
                Markup('<rect class="v-bar-{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                    tone, place * width, f"{max(top, 0):.1f}", width - 2, f"{tall:.1f}"
                )
            )
        if not bars:
            bars.append(
                Markup('<rect class="bar-rest" x="{}" y="{}" width="{}" height="1"/>').format(
                    place * width, height - 1, width - 2
                )
            )
        pieces.append(Markup("<g>{}<title>{}: {}</title></g>").format(Markup("").join(bars), label, told))
    return Markup(
        '<svg class="strip" width="{w}" height="{h}" viewBox="0 0 {w} {h}" preserveAspectRatio="none" '
        'aria-hidden="true">{body}</svg>'
    ).format(w=len(days) * width, h=height, body=Markup("").join(pieces))


def interval(
    value: float | None, low: float | None, high: float | None, width: int = 150, height: int = 14
) -> Markup:
    """A difference between −1 and 1 as a dot with its interval as a line, zero marked in the middle."""
    body = Markup('<path class="i-zero" d="M{x} 0V{h}"/>').format(x=width / 2, h=height)

    def at(part: float) -> str:
        return f"{(max(-1.0, min(1.0, part)) + 1) / 2 * (width - 8) + 4:.1f}"

    if low is not None and high is not None:
        body += Markup('<path class="i-line" d="M{} {y}H{}"/>').format(at(low), at(high), y=height / 2)
    if value is not None:
        body += Markup('<circle class="i-dot" cx="{}" cy="{}" r="3.5"/>').format(at(value), height / 2)
    return Markup(
        '<svg class="interval" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-hidden="true">{body}</svg>'
    ).format(w=width, h=height, body=body)


def series(
    points: Sequence[tuple[float | None, float | None, float | None]],
    top: float,
    width: int = 260,
    height: int = 64,
) -> Markup:
    """Values over time with their intervals, from 0 to ``top``; (None, …) was not measured and is drawn as a gap."""
    step = width / max(1, len(points))

    def y(value: float) -> float:
        return height - 4 - max(0.0, min(1.0, value / top if top > 0 else 0.0)) * (height - 8)

    pieces = [Markup('<path class="s-base" d="M0 {y}H{w}"/>').format(y=height - 3.5, w=width)]
    line: list[str] = []
    for place, (value, low, high) in enumerate(points):
        x = f"{(place + 0.5) * step:.1f}"
        if value is None:
            pieces.append(Markup('<path class="s-none" d="M{x} {a}V{b}"/>').format(x=x, a=4, b=height - 4))
            line.append("")
            continue
        if low is not None and high is not None:
            pieces.append(
                Markup('<path class="i-line" d="M{x} {a}V{b}"/>').format(
                    x=x, a=f"{y(high):.1f}", b=f"{y(low):.1f}"
                )
            )
        pieces.append(Markup('<circle class="i-dot" cx="{}" cy="{}" r="3"/>').format(x, f"{y(value):.1f}"))
        line.append(f"{x} {y(value):.1f}")
    path = "".join(
        f"{'L' if place and line[place - 1] else 'M'}{spot}" for place, spot in enumerate(line) if spot
    )
    pieces.insert(1, Markup('<path class="s-line" d="{}"/>').format(path))
    return Markup(
        '<svg class="series" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-hidden="true">{body}</svg>'
    ).format(w=width, h=height, body=Markup("").join(pieces))
