"""The four signals of an agent by version or over time, for its page. Not measured is told apart from zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallystick.model.errors import TallystickError
from tallystick.web import svg
from tallystick.web.site import Site

SIGNALS: Final = (
    ("completion", "task completion", "share"), ("tool_calls", "tool calls that worked", "share"),
    ("adherence", "policy adherence", "share"), ("cost_per_run_nano_usd", "cost per run", "money"),
    ("cost_per_success_nano_usd", "cost per successful run", "money"),
)  # fmt: skip
STEPS: Final = ("version", "day", "week")
ROWS: Final = 60


def of_agent(site: Site, agent: str, by: str) -> Mapping[str, Any]:
    """``{"by", "rows", "pictures", "more", "error", "choices"}`` for the agent's page."""
    by = by if by in STEPS else "version"
    try:
        found = site.registry.catalog.signals_over(agent, by, "90d")
    except TallystickError as error:
        return {"by": by, "rows": [], "pictures": [], "more": 0, "error": error.message, "choices": STEPS}
    rows = list(found["rows"])
    shown = rows[-ROWS:] if by != "version" else rows[:ROWS]
    pictures = [
        {"key": key, "name": name, "kind": kind, "svg": _picture(shown, key, kind)}
        for key, name, kind in SIGNALS
    ]
    more = len(rows) - len(shown)
    return {"by": by, "rows": shown, "pictures": pictures, "more": more, "error": None, "choices": STEPS}


def _picture(rows: Sequence[Mapping[str, Any]], key: str, kind: str) -> Any:
    points = [(row[key]["value"], row[key]["low"], row[key]["high"]) for row in rows]
    tallest = max((value for point in points for value in point if value is not None), default=0.0)
    return svg.series(points, 1.0 if kind == "share" else tallest)
