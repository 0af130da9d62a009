"""Readiness: which of the five layers an agent needs from what it can do, which it has, and what is missing.

Pure: ``Facts`` come in, a ``Readiness`` goes out. The rules, each with its reason:

===============  =========================================  ===========================================================
layer            needed where                               because
===============  =========================================  ===========================================================
(none)           no tool that reads or changes anything,    a text that a person reads before anything happens can
                 no class of data, autonomy ``drafts``      do no harm that the person does not do; the same holds
                 (or not said, and no tools at all)         for an agent without any tool
registry         a tool that reads or changes something,    what nobody wrote down nobody looks after; who owns it must
                 a class of data, or autonomy beyond        be known before something goes wrong
                 ``drafts``
observability    as registry                                a failure that was not recorded cannot be found again; a
                                                            run that lost steps proves nothing
evaluation       effects, regulated data, or autonomy       whoever acts without being read first must have been tried
                 beyond ``drafts``                          first
governance       as evaluation                              what can change things needs rules on who, what and how
                                                            much; a tool that changed unseen is another tool
cost             models used with autonomy beyond           nobody watches each call, so a limit must; a priced tool
                 ``drafts``, or a priced tool               is money by itself
===============  =========================================  ===========================================================

Effects are ``write`` and ``irreversible``. A tool that nobody declared has an unknown effect and counts as
``irreversible``. Autonomy that is not said counts as ``acts`` where there are effects, and is itself a gap. So does it
for an agent that is known by its card alone. Tools of delegates count: what an agent can have done for it, it can do.
A class is regulated unless it is named in ``UNREGULATED``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tallystick.model.chain import SELF_DECLARED
from tallystick.model.registry import Autonomy
from tallystick.registry.readiness_shapes import Facts, Gap, Layer, Readiness, ToolFact

LAYERS: Final = ("registry", "observability", "evaluation", "governance", "cost")
UNREGULATED: Final = frozenset({"public"})
_SAFE_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
_HARMLESS: Final = "it changes nothing, reaches no regulated data, and nobody said that it acts by itself"
_MANY: Final = 3  # names that a sentence gives before it counts


def readiness(facts: Facts) -> Readiness:
    """Judge one agent by the table above."""
    needs = _Needs(facts)
    if not needs.anything:
        return Readiness(
            facts.agent, facts.version, False,
            f"{facts.agent} needs none of the five layers: no tool of it reads or changes anything, it reaches no "
            "class of data, and " + ("it only drafts." if facts.autonomy else "it has no tools to act with."),
            tuple(Layer(name, False, "it can do nothing that needs it") for name in LAYERS),
        )  # fmt: skip
    layers = tuple(_JUDGES[name](facts, needs) for name in LAYERS)
    return Readiness(facts.agent, facts.version, True, _sentence(facts.agent, layers), layers)


class _Needs:
    """What the facts ask for, with the words that say so."""

    def __init__(self, facts: Facts) -> None:
        self.touching = [tool for tool in facts.tools if tool.touches]
        self.changing = [tool for tool in facts.tools if tool.changes]
        self.classes = sorted({name for tool in facts.tools for name in tool.classes})
        self.regulated = [name for name in self.classes if name not in UNREGULATED]
        self.foreign = facts.foreign and not facts.tools
        self.unsaid = facts.autonomy is None and (bool(self.changing) or self.foreign)
        self.beyond = self.unsaid or facts.autonomy in (Autonomy.ACTS, Autonomy.ACTS_WITH_APPROVAL)
        silent = facts.autonomy is None and bool(facts.tools)  # tools, and nobody said how far it may go
        self.anything = bool(self.touching or self.classes or self.beyond or silent)
        self.priced = [tool for tool in facts.tools if tool.priced]
        self.spends = (self.beyond and bool(facts.models)) or bool(self.priced)
        self.risky = bool(self.changing or self.regulated or self.beyond)
        self._autonomy = facts.autonomy

    def why(self) -> str:
        """The reasons for evaluation and governance."""
        parts = []
        if self.changing:
            parts.append(f"it can change things ({_named(tool.name for tool in self.changing)})")
        if self.regulated:
            parts.append(f"it reaches {_named(self.regulated)}")
        if self.foreign:
            parts.append("what it can do is known from its card alone")
        if self.unsaid:
            parts.append("nobody said how far it acts by itself, so the worst is assumed")
        elif self.beyond:
            parts.append(f"its autonomy is {self._autonomy}")
        return "; ".join(parts)

    def why_at_all(self) -> str:
        """The reasons for registry and observability."""
        if self.risky:
            return self.why()
        if self.touching:
            return f"it reads ({_named(tool.name for tool in self.touching)})"
        return "it has tools, and nobody said how far it acts by itself"


def _registry(facts: Facts, needs: _Needs) -> Layer:
    has: list[str] = []
    missing: list[Gap] = []
    file = _file("agents", facts.agent)
    if facts.declared:
        has.append("declared" + (f" as {facts.version}" if facts.version else ""))
    else:
        missing.append(
            Gap("nobody declared it", f"tally init writes {file} from what was seen; then: tally apply")
        )
    for name, value in (("owner", facts.owner), ("purpose", facts.purpose)):
        if value:
            has.append(f"{name}: {value}")
        else:
            missing.append(Gap(f"no {name} is named", _line(f'{name} = "…"', file)))
    if needs.unsaid:
        choices = ", ".join(one.value for one in Autonomy)
        missing.append(
            Gap(
                "nobody said how far it acts by itself",
                _line('autonomy = "acts"', file) + f" (or: {choices})",
            )
        )
    elif facts.autonomy:
        has.append(f"autonomy: {facts.autonomy}")
    unknown = [tool for tool in facts.tools if tool.effect is None]
    missing += [
        Gap(f"nobody declared tool {tool.name}{_through(tool)}",
            _line('effect = "…"', _file("tools", tool.name)))
        for tool in unknown
    ]  # fmt: skip
    known = len(facts.tools) - len(unknown)
    if known:
        has.append(f"{known} of {len(facts.tools)} tools declared")
    return Layer("registry", True, needs.why_at_all(), tuple(has), tuple(missing))


def _observability(facts: Facts, needs: _Needs) -> Layer:
    has: list[str] = []
    missing: list[Gap] = []
    if not facts.runs and facts.claimed:
        missing.append(
            Gap(
                f"its {facts.claimed} run{'s were' if facts.claimed != 1 else ' was'} only claimed: the sender showed "
                "no token",
                "set TALLYSTICK_TOKEN for tally up and for the senders, or record beside the store",
            )
        )
    elif not facts.runs:
        missing.append(
            Gap("no run of it was recorded", "tally run -- COMMAND, with tallystick.init() in the program")
        )
    else:
        has.append(f"seen in {facts.runs} run{'s' if facts.runs != 1 else ''}")
        if facts.completeness == "complete":
            has.append("its newest run is complete")
        else:
            shown = shlex.quote((facts.last_run or "")[:12])
            missing.append(
                Gap(f"its newest run is {facts.completeness or 'of unknown completeness'}",
                    f"tally runs show {shown} says what is missing; record one more run whole")
            )  # fmt: skip
    return Layer("observability", True, needs.why_at_all(), tuple(has), tuple(missing))


def _evaluation(facts: Facts, needs: _Needs) -> Layer:
    if not needs.risky:
        return Layer("evaluation", False, _HARMLESS)
    has: list[str] = []
    missing: list[Gap] = []
    file = _file("agents", facts.agent)
    if facts.suites:
        has.append(f"suite: {_named(facts.suites)}")
    else:
        missing.append(
            Gap(
                "no suite names it", _line('suites = ["NAME"]', file) + ", with its cases in evals/NAME.jsonl"
            )
        )
    if facts.evaluations:
        has.append(f"evaluated in {facts.evaluations} run{'s' if facts.evaluations != 1 else ''}")
    else:
        missing.append(
            Gap(
                "no evaluation of it was seen",
                "tallystick.score(…) in a run of it, or an evaluation step by OTLP",
            )
        )
    return Layer("evaluation", True, needs.why(), tuple(has), tuple(missing))


def _governance(facts: Facts, needs: _Needs) -> Layer:
    if not needs.risky:
        return Layer("governance", False, _HARMLESS)
    has: list[str] = []
    missing: list[Gap] = []
    governed = [tool for tool in needs.changing if tool.governed]
    if governed:
        has.append(f"a policy in force for {len(governed)} of {len(needs.changing)} tools with effects")
    for tool in needs.changing:
        if not tool.governed:
            missing.append(
                Gap(f"no policy is in force for {tool.name}{_through(tool)}",
                    f"tally policy push FILE.cedar --scope {shlex.quote(_scope(_caller(facts, tool)))}")
            )  # fmt: skip
    open_handed = [tool for tool in needs.changing if tool.arguments and not tool.authority]
    missing += [
        Gap(f"tool {tool.name} does not say which arguments decide what it does",
            _line('authority = ["…"]', _file("tools", tool.name)))
        for tool in open_handed
    ]  # fmt: skip
    if needs.changing and not open_handed:
        has.append("arguments with authority are declared")
    quarantined = [tool for tool in facts.tools if tool.quarantined]
    missing += [
        Gap(f"the definition of tool {tool.name} is quarantined",
            f"tally tools quarantine shows what changed; tally tools accept {shlex.quote(tool.name)}")
        for tool in quarantined
    ]  # fmt: skip
    if facts.tools and not quarantined:
        has.append("no tool is quarantined")
    missing += [
        Gap(
            f"it drifted: {text}",
            "declare what it does now, and: tally apply; or bring it back to what is declared",
        )
        for text in facts.differences
    ]
    if not facts.differences and facts.runs:
        has.append("no drift")
    if facts.via is not None:  # no gap: whoever wants more asks for it by a setting
        has.append("self-declared: its name is what its process says" if facts.via == SELF_DECLARED
                   else f"it acts under a name that is vouched for (via {facts.via})")  # fmt: skip
    return Layer("governance", True, needs.why(), tuple(has), tuple(missing))


def _cost(facts: Facts, needs: _Needs) -> Layer:
    if not needs.spends:
        models = "it does not act by itself" if facts.models else "it calls no model"
        return Layer("cost", False, f"{models}, and no tool of it has a price")
    parts = []
    if needs.beyond and facts.models:
        parts.append(f"it uses {_named(facts.models)} without a person at each step")
    if needs.priced:
        parts.append(f"a call costs money ({_named(tool.name for tool in needs.priced)})")
    why = "; ".join(parts)
    if facts.budgets:
        return Layer("cost", True, why, (f"budget: {_named(facts.budgets)}",))
    name = shlex.quote(facts.agent)
    fix = f"tally budgets set {name} --scope {shlex.quote('agent:' + facts.agent)} --limit 5.00; or " + _line(
        'budget_usd = "5.00"', _file("agents", facts.agent)
    )
    return Layer("cost", True, why, (), (Gap("no budget limits it, its workflow or every run", fix),))


_JUDGES: Final[dict[str, Callable[[Facts, _Needs], Layer]]] = {
    "registry": _registry, "observability": _observability, "evaluation": _evaluation, "governance": _governance,
    "cost": _cost,
}  # fmt: skip


def _sentence(agent: str, layers: Sequence[Layer]) -> str:
    needed = [layer for layer in layers if layer.needed]
    lacking = [layer for layer in needed if layer.missing]
    if not lacking:
        return f"{agent} needs {_named(layer.layer for layer in needed)}, and has all of it."
    gaps = sum(len(layer.missing) for layer in lacking)
    things = "thing is" if gaps == 1 else "things are"
    return f"{agent} is not ready: {gaps} {things} missing in {_named(layer.layer for layer in lacking)}."


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    if len(listed) <= _MANY + 2:
        return ", ".join(listed)
    return ", ".join(listed[:_MANY]) + f" and {len(listed) - _MANY} more"


def _caller(facts: Facts, tool: ToolFact) -> str:
    return tool.chain[-1] if tool.chain else facts.agent


def _scope(agent: str) -> str:
    if _SAFE_NAME.match(agent):
        return f"name:{agent}"
    escaped = agent.replace("\\", "\\\\").replace('"', '\\"')
    return f'name:"{escaped}"'


def _through(tool: ToolFact) -> str:
    return f" (through {' → '.join(tool.chain[1:])})" if len(tool.chain) > 1 else ""


def _file(folder: str, name: str) -> str:
    return f"{folder}/{name}.toml" if _SAFE_NAME.match(name) else f"its file in {folder}/"


def _line(line: str, file: str) -> str:
    return f"{line} in {file}, then: tally apply"
