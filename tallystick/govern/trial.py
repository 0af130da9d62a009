"""Trial: before a policy set is in force, every shape of request that the guard can send is sent once.

A set that would answer any of them with a diagnostic or with no answer is refused then, not in the middle of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from typing import Any, Final

import cedarpy

from tallystick.govern.findings import Problem
from tallystick.govern.policy import PolicySet
from tallystick.govern.schema import request
from tallystick.model.control import ToolCall
from tallystick.model.guarding import ToolDeclaration
from tallystick.model.labels import UNKNOWN

_SAMPLES: Final[Mapping[str, Any]] = {
    "string": "",
    "long": 0,
    "decimal": "0.0",
    "bool": False,
    "list": [],
    "record": {},
}
_MOST_OPTIONAL: Final = 6  # beyond that: none, each alone, and all of the optional arguments


def trial(policies: PolicySet) -> list[Problem]:
    """What the guard would trip over, by tool; empty when every shape gets an answer."""
    found: list[Problem] = []
    if policies.schema is None or policies.entities is None:
        return found
    for name, rules in policies.slices.items():
        tool = policies.tools[name]
        for shape in _shapes(tool):
            call = ToolCall("trial", "trial", "trial", name, tool.digest, shape)
            asked = request(call, tool, (), UNKNOWN)
            result = cedarpy.is_authorized(asked, rules, policies.entities, policies.schema)
            errors = list(result.diagnostics.errors)
            if result.decision is cedarpy.Decision.NoDecision and not errors:
                errors = ["the evaluator gave no decision"]
            if errors:
                what = f"a call of {name} with {', '.join(shape) or 'no arguments'} cannot be judged: {errors[0]}"
                found.append(Problem(f"tools/{name}", 1, what, "ask with has before an argument is used"))
                break
    return found


def _shapes(tool: ToolDeclaration) -> Iterator[dict[str, Any]]:
    """The arguments of a tool with every choice of its optional ones."""
    required = {name: _SAMPLES[kind] for name, kind in tool.arguments.items() if not kind.endswith("?")}
    optional = [name for name, kind in tool.arguments.items() if kind.endswith("?")]
    if len(optional) <= _MOST_OPTIONAL:
        choices = list(chain.from_iterable(combinations(optional, size) for size in range(len(optional) + 1)))
    else:
        choices = [(), *((name,) for name in optional), tuple(optional)]
    for chosen in choices:
        yield required | {name: _SAMPLES[tool.arguments[name].removesuffix("?")] for name in chosen}
