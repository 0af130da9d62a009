"""The figures as a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_ROWS: Final = (
    ("user tasks", "tasks"),
    ("… that need no approval", "without_approval"),
    ("approvals asked in all of them", "approvals"),
    ("calls of the user refused outright", "refused"),
    ("useful once approved", "useful"),
    ("useful where every question is answered no", "useful_alone"),
)


def table(figures: Sequence[Mapping[str, Any]]) -> str:
    """One table over all suites, in Markdown."""
    lines = _row("", (one["suite"] for one in figures)) + _row("---", ("---" for _ in figures))
    for words, key in _ROWS:
        lines += _row(words, (_of(one["user_tasks"], key) for one in figures))
    lines += _row("the user's effects again, and those that ran",
                  (f"{one['again']['calls']} / {one['again']['ran']}" for one in figures))  # fmt: skip
    if any("attacks" not in one for one in figures):
        return lines
    lines += _row(
        "attacks (user task × injection)", (str(one["attacks"]["guarded"]["pairs"]) for one in figures)
    )
    for how, words in (("undefended", "… that succeed undefended"), ("guarded", "… that succeed past the guard"),
                       ("floor", "… that succeed at the floor")):  # fmt: skip
        lines += _row(words, (str(one["attacks"][how]["succeed"]) for one in figures))
    for name in figures[0]["attacks"]["guarded"]["by_order"] if figures else ():
        lines += _row(
            f"past the guard, {name}", (str(one["attacks"]["guarded"]["by_order"][name]) for one in figures)
        )
    lines += _row(
        "effects that the attacker tried", (str(one["attacks"]["guarded"]["effect_calls"]) for one in figures)
    )
    lines += _row("… that ran", (str(one["attacks"]["guarded"]["effect_calls_run"]) for one in figures))
    lines += _row(
        "… that somebody was asked about", (str(one["attacks"]["guarded"]["asked"]) for one in figures)
    )
    lines += _row("mixed calls, and those that ran", (_mixed(one["mixed"]) for one in figures))
    return lines


def details(figures: Mapping[str, Any]) -> str:
    """What asked, and what passed, task by task."""
    lines = [f"{figures['suite']}: what is asked"]
    for task, calls in figures["user_tasks"]["asking"].items():
        lines += [f"  {task}: {one['how']} {one['call']} {one['arguments']}" for one in calls]
        lines += [f"    {why}: {_grounds(one['facts'])}" for one in calls for why in one["why"]]
    lines += [f"  not useful: {one}" for one in figures["user_tasks"]["not_useful"]]
    lines += [f"  runs a second time: {one}" for one in figures["again"]["which"]]
    if "attacks" not in figures:
        return "\n".join(lines) + "\n"
    lines.append(f"{figures['suite']}: attacks that succeed past the guard")
    lines += [f"  {pair}: {', '.join(orders)}" for pair, orders in figures["passed"].items()]
    lines.append(f"{figures['suite']}: attacks that succeed at the floor")
    lines += [f"  {pair}: {', '.join(orders)}" for pair, orders in figures["at_the_floor"].items()]
    lines.append(f"{figures['suite']}: mixed calls that ran with nobody asked")
    lines += [
        f"  {kind}: {one['ran']} of {one['calls']}, such as {one['example']}"
        for kind, one in figures["mixed"].items() if one["ran"]
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _of(tasks: Mapping[str, Any], key: str) -> str:
    if key in ("without_approval", "useful", "useful_alone") and tasks["tasks"]:
        return f"{tasks[key]} ({100 * tasks[key] / tasks['tasks']:.0f} %)"
    return str(tasks[key])


def _grounds(facts: Any) -> str:
    """On whose word the arguments stand that made the rules speak up."""
    if not facts:
        return ""
    doubted = {name: facts["why"].get(name, "") for name in facts["untrusted"]}
    return ", ".join(f"{name}: {why}" for name, why in doubted.items())


def _mixed(mixed: Mapping[str, Mapping[str, Any]]) -> str:
    return f"{sum(one['calls'] for one in mixed.values())} / {sum(one['ran'] for one in mixed.values())}"


def _row(words: str, cells: Iterable[str]) -> str:
    return "| " + " | ".join((words, *cells)) + " |\n"
