"""Who can reach what as SVG text, made on the server: layers from left to right, edges that say whether they were used.

Pure: positions follow from the answer alone, so the same answer gives the same picture. Colours and dashes come from
classes; names are escaped, written out and cut to their box. A table beside the picture says the same in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

from tallystick.web.wording import one_line, path

LAYERS: Final = ("agent", "tool", "model", "data", "class")
HEADS: Final = {
    "agent": "agents",
    "tool": "tools",
    "model": "models",
    "data": "data sources",
    "class": "classes",
}
MOST: Final = 40  # nodes in one layer
WIDTH, HEIGHT, GAP, ACROSS = 198, 36, 10, 104  # of a node, between nodes, between layers
TOP, SIDE = 30, 46  # room for the heads, and for edges between agents
LETTERS: Final = 25
SWEEPS: Final = 4
MARKS: Final = {"observed only": "shadow", "drifted": "drifted", "declared only": "declared"}
SAID: Final = {
    "used": "granted and used", "granted": "granted, never used", "shadow": "used, and not granted",
    "touches": "touches or holds",
}  # fmt: skip

Node = Mapping[str, Any]
Edge = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """The drawing, and what is not in it: ``hidden`` nodes by layer, ``kinds`` of edges in it with their words."""

    svg: Markup
    hidden: tuple[tuple[str, int], ...]
    kinds: tuple[tuple[str, str], ...]
    width: int


@dataclass(slots=True)
class _Place:
    node: Node
    x: int
    y: int


def kind_of(edge: Edge) -> str:
    """How an edge is drawn: "used", "granted" (never used), "shadow" (used, not granted) or "touches"."""
    how = edge["how"]
    if how in ("touches", "observed"):
        return "touches" if how == "touches" else "shadow"
    return "used" if edge["used"] else "granted"


def words(edge: Edge) -> str:
    """What an edge means, in words."""
    kind = kind_of(edge)
    return (
        SAID[kind] if kind != "touches" else "holds" if str(edge["from"]).startswith("data:") else "touches"
    )


def names(found: Mapping[str, Any]) -> dict[str, Node]:
    """The nodes of an answer by id, for the table beside the picture."""
    return {node["id"]: node for node in found["nodes"]}


def through(found: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    """Only what leads to one node of an answer and what it leads to; all of it where the node is not in there."""
    start = next(
        (node["id"] for node in found["nodes"] if (node["type"], node["name"]) == (kind, name)), None
    )
    if start is None:
        return found
    kept = {start}
    for here, there in (("from", "to"), ("to", "from")):
        onward: dict[str, list[str]] = defaultdict(list)
        for edge in found["edges"]:
            onward[edge[here]].append(edge[there])
        waiting, seen = [start], {start}
        while waiting:
            fresh = [node for node in onward[waiting.pop()] if node not in seen]
            seen.update(fresh)
            waiting += fresh
        kept |= seen
    return {
        **found,
        "nodes": [node for node in found["nodes"] if node["id"] in kept],
        "edges": [edge for edge in found["edges"] if edge["from"] in kept and edge["to"] in kept],
    }


def draw(found: Mapping[str, Any], *, name: str) -> Picture:
    """The picture of ``{"nodes", "edges"}``; at most MOST nodes a layer stand in it, those with most edges."""
    layers, hidden = _layers(found)
    shown = {node["id"] for layer in layers.values() for node in layer}
    edges = [edge for edge in found["edges"] if edge["from"] in shown and edge["to"] in shown]
    _untangle(layers, edges)
    places = _places(layers)
    tallest = max((len(layer) for layer in layers.values()), default=0)
    width = 2 * SIDE + len(layers) * WIDTH + max(len(layers) - 1, 0) * ACROSS
    height = TOP + tallest * (HEIGHT + GAP) + 6
    drawn = sorted(edges, key=lambda edge: ("touches", "granted", "used", "shadow").index(kind_of(edge)))
    body = Markup("").join(
        [_head(kind, index) for index, kind in enumerate(layers)]
        + [_edge(edge, places) for edge in drawn]
        + [_box(place) for place in places.values()]
    )
    kinds = [kind for kind in SAID if any(kind_of(edge) == kind for edge in edges)]
    svg = Markup(
        '<svg class="reach" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="group" aria-label="{name}">'
        "<title>{name}</title><desc>{said}</desc>{body}</svg>"
    ).format(w=width, h=height, name=one_line(name), said=_said(layers, edges), body=body)
    return Picture(svg, tuple(hidden), tuple((kind, SAID[kind]) for kind in kinds), width)


def _said(layers: Mapping[str, Sequence[Node]], edges: Sequence[Edge]) -> str:
    """The picture in one sentence, for those who do not see it."""
    sizes = ", ".join(f"{len(layer)} {HEADS.get(kind, kind)}" for kind, layer in layers.items())
    return (
        f"{sizes} from left to right, joined by {len(edges)} lines. The table below says the same in words."
    )


def _layers(found: Mapping[str, Any]) -> tuple[dict[str, list[Node]], list[tuple[str, int]]]:
    """The nodes by layer, and how many of each layer are left out: those with fewest edges, used ones first."""
    weight: dict[str, int] = defaultdict(int)
    for edge in found["edges"]:
        for end in (edge["from"], edge["to"]):
            weight[end] += 1_000 if edge.get("used") else 1
    sorted_in: dict[str, list[Node]] = {}
    for node in found["nodes"]:
        sorted_in.setdefault(str(node["type"]), []).append(node)
    order = [kind for kind in LAYERS if kind in sorted_in] + [
        kind for kind in sorted_in if kind not in LAYERS
    ]
    layers, hidden = {}, []
    for kind in order:
        whole = sorted(sorted_in[kind], key=lambda node: (-weight[node["id"]], str(node["name"])))
        layers[kind] = whole[:MOST]
        if len(whole) > MOST:
            hidden.append((HEADS.get(kind, kind), len(whole) - MOST))
    return layers, hidden


def _untangle(layers: Mapping[str, list[Node]], edges: Sequence[Edge]) -> None:
    """Order each layer by the mean place of its neighbours, a few sweeps there and back: fewer lines cross."""
    near: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        near[edge["from"]].append(edge["to"])
        near[edge["to"]].append(edge["from"])
    for layer in layers.values():
        layer.sort(key=lambda node: str(node["name"]))
    for sweep in range(SWEEPS):
        ordered = list(layers.values())[:: 1 if sweep % 2 == 0 else -1]
        for before, layer in pairwise(ordered):
            at = {node["id"]: index / max(len(before), 1) for index, node in enumerate(before)}
            own = {node["id"]: index / max(len(layer), 1) for index, node in enumerate(layer)}

            def middle(node: Node, at: Mapping[str, float] = at, own: Mapping[str, float] = own) -> float:
                """Where its neighbours of the layer before stand; one without any keeps its place."""
                found = [at[end] for end in near[node["id"]] if end in at]
                return sum(found) / len(found) if found else own[node["id"]]

            layer.sort(key=middle)


def _places(layers: Mapping[str, Sequence[Node]]) -> dict[str, _Place]:
    tallest = max((len(layer) for layer in layers.values()), default=0)
    places: dict[str, _Place] = {}
    for index, layer in enumerate(layers.values()):
        down = TOP + (tallest - len(layer)) * (HEIGHT + GAP) // 2
        for row, node in enumerate(layer):
            places[node["id"]] = _Place(node, SIDE + index * (WIDTH + ACROSS), down + row * (HEIGHT + GAP))
    return places


def _head(kind: str, index: int) -> Markup:
    return Markup('<text class="g-head" x="{}" y="16" aria-hidden="true">{}</text>').format(
        SIDE + index * (WIDTH + ACROSS), HEADS.get(kind, kind)
    )


def _edge(edge: Edge, places: Mapping[str, _Place]) -> Markup:
    """A curve to the right; between two of the same layer (an agent that delegates) an arc on its left side."""
    a, b = places[edge["from"]], places[edge["to"]]
    y, z = a.y + HEIGHT // 2, b.y + HEIGHT // 2
    if a.x == b.x:
        bow = a.x - min(SIDE - 6, 18 + abs(z - y) // 12)
        line = f"M{a.x} {y}C{bow} {y} {bow} {z} {b.x - 5} {z}"
    elif a.x < b.x:
        line = f"M{a.x + WIDTH} {y}"
        x, at = a.x + WIDTH, y
        for between in range(
            a.x + WIDTH + ACROSS, b.x, WIDTH + ACROSS
        ):  # layers that it passes, between two boxes
            gap = _gap(places, between, at)
            half = (x + between) // 2
            line += f"C{half} {at} {half} {gap} {between} {gap}H{between + WIDTH}"
            x, at = between + WIDTH, gap
        half = (x + b.x) // 2
        line += f"C{half} {at} {half} {z} {b.x - 5} {z}"
    else:
        half = (a.x + b.x + WIDTH) // 2
        line = f"M{a.x} {y}C{half} {y} {half} {z} {b.x + WIDTH + 5} {z}"
    kind = kind_of(edge)
    tip = f"M{b.x - 6} {z - 3.5}L{b.x} {z}L{b.x - 6} {z + 3.5}" if a.x <= b.x else ""
    told = f"{one_line(a.node['name'], 80)} to {one_line(b.node['name'], 80)}: {words(edge)}"
    return Markup(
        '<g class="g-edge g-{kind}" aria-hidden="true"><title>{told}</title><path d="{line}"/>'
        '<path class="g-tip" d="{tip}"/></g>'
    ).format(kind=kind, told=told, line=line, tip=tip)


def _gap(places: Mapping[str, _Place], x: int, wanted: int) -> int:
    """The height nearest to the wanted one at which a line passes a layer without crossing a box."""
    tops = [place.y for place in places.values() if place.x == x]
    gaps = [top - GAP // 2 for top in tops] + [top + HEIGHT + GAP // 2 for top in tops]
    return min(gaps, key=lambda gap: (abs(gap - wanted), gap), default=wanted)


def _box(place: _Place) -> Markup:
    """A node as a link with its name and, in words, what stands out of it."""
    node = place.node
    words = (MARKS.get(str(node.get("standing")), ""), one_line(node.get("effect"), 34))
    told = " · ".join(word for word in words if word)
    name = one_line(node["name"] or "(empty name)", 200)
    cut = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
    kind = MARKS.get(str(node.get("standing")), "known")
    rows = Markup('<text class="g-name" x="10" y="{}">{}</text>').format(15 if told else 22, cut)
    if told:
        rows += Markup('<text class="g-told" x="10" y="29">{}</text>').format(one_line(told, 34))
    said = f"{node['type']} {name}" + (f", {told}" if told else "")
    inner = Markup(
        '<title>{said}</title><rect class="g-box" x="{x}" y="{y}" width="{w}" height="{h}" rx="4"/>'
        '<svg x="{x}" y="{y}" width="{clip}" height="{h}">{rows}</svg>'
    ).format(said=said, x=place.x, y=place.y, w=WIDTH, h=HEIGHT, clip=WIDTH - 6, rows=rows)
    return Markup('<a class="g-node g-is-{kind}" href="{href}">{inner}</a>').format(
        kind=kind, href=_href(node), inner=inner
    )


def _href(node: Node) -> str:
    if node["type"] == "class":
        return f"/access?what={path(node['name'])}"
    return f"/object?type={path(node['type'])}&name={path(node['name'])}"
