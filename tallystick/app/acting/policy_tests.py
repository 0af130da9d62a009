"""Policy tests: the cases beside policies tried against the set that they would make, before it decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tallystick.app.acting.policies import evaluator
from tallystick.govern.cases import Case, CaseFile
from tallystick.govern.policy import PACK, PolicyFile, load
from tallystick.govern.trying import Tests, try_cases
from tallystick.model.errors import ConfigError
from tallystick.model.guarding import ToolDeclaration

_ALL: Final = PolicyFile("test/permit-all.cedar", "permit (principal, action, resource);")


def tried_policies(
    files: Sequence[PolicyFile], pack: Sequence[PolicyFile], tools: Iterable[ToolDeclaration],
    tests: Sequence[CaseFile], *, mutate: bool = False,
) -> Mapping[str, Any]:  # fmt: skip
    """Try a project's tests against its policies with the pack beside them; see ``as_json`` for the answer.

    ``tools`` are those declared; tests may declare others. Raises ConfigError where the policies cannot be loaded.
    """
    known = {tool.name: tool for tool in tools}
    for file in tests:
        for tool in file.tools:
            if known.setdefault(tool.name, tool) != tool:
                raise ConfigError(
                    f"{file.name}: tool {tool.name} is declared elsewhere, and not so",
                    hint="leave it out of the test, or give it another name", file=file.name, line=1,
                )  # fmt: skip
    policies = load([*files, *(pack if files else ())], known.values(), evaluator=evaluator())
    cases = [case for file in tests for case in file.cases]
    return as_json(tests, [try_cases(policies, cases, mutate=mutate)])


def tried_pack(
    pack: Sequence[PolicyFile], tests: Sequence[CaseFile], *, mutate: bool = False
) -> Mapping[str, Any]:
    """Try the pack's own tests, each file by itself beside a rule that permits everything."""
    found = []
    by_name = {one.name.removesuffix(".test.toml"): one for one in tests}
    for file in pack:
        own = by_name.get(file.name.removesuffix(".cedar"))
        cases: Sequence[Case] = own.cases if own is not None else ()
        policies = load([_ALL, file], own.tools if own is not None else (), evaluator=evaluator())
        about = [place for place in policies.rules if place.startswith(PACK)]
        found.append(try_cases(policies, cases, mutate=mutate, about=about))
    return as_json(tests, found)


def as_json(files: Sequence[CaseFile], found: Sequence[Tests]) -> Mapping[str, Any]:
    """``{"files", "cases", "passed", "failed": [tried], "rules", "undecided": [text], "mutants", "survived"}``.

    ``survived`` are rows ``{"rule", "how"}``; ``mutants`` is None where none was made.
    """
    tried = [one for tests in found for one in tests.tried]
    failed = [one for one in tried if one.wrong]
    made = [tests.mutants for tests in found if tests.mutants is not None]
    return {
        "files": len(files), "cases": len(tried), "passed": len(tried) - len(failed),
        "failed": [one.as_json() for one in failed], "rules": sum(len(tests.rules) for tests in found),
        "undecided": [label for tests in found for label in tests.undecided],
        "mutants": sum(made) if made else None,
        "survived": [{"rule": one.rule, "how": one.how} for tests in found for one in tests.survived],
    }  # fmt: skip
