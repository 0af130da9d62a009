"""Who&When: one file a failed multi-agent run, ``{question, history: [{role, name, content}], mistake_*,
…}``.

Each entry of the history is one step of the agent that spoke (``name``; ``role`` says nothing). An entry
that reports a code execution ("exitcode: …") is the result of a tool named like its speaker, all others are
what a model said. The human annotation of the decisive mistake is kept, and never read as something that
happened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.model import attributes as own
from tallystick.observe.formats.recorded import (
    IMPORT,
    Builder,
    Format,
    RecordedRun,
    expect,
    json_text,
    run_id,
    text_message,
)

NAME: Final = "who-and-when"
_EXECUTION: Final = re.compile(r"\s*exitcode: (-?\d+)")


def detect(content: bytes) -> bool:
    """Whether a JSON file looks like a run of Who&When."""
    head = content.lstrip()
    return head.startswith((b"{", b"[")) and b'"history"' in head and b'"mistake_step"' in head


def read(document: Any) -> Iterator[RecordedRun]:
    """Recorded runs of a parsed file (one run, or a list of them). Raises BadInput where the shape is
    wrong."""
    many = isinstance(document, list)
    for place, item in enumerate(document if many else [document]):
        where = f"run {place}" if many else "the file"
        expect(item, dict, where, "an object with question and history (a run of Who&When)")
        history = expect(item.get("history"), list, f"{where}: history", "a list of {role, name, content}")
        for number, entry in enumerate(history):
            at = f"{where}: history[{number}]"
            expect(entry, dict, at, "an object with name and content")
            expect(entry.get("content"), str, f"{at}.content", "text")
        yield _run(item, history)


def _run(item: Mapping[str, Any], history: list[Mapping[str, Any]]) -> RecordedRun:
    build = Builder(run_id(NAME, item.get("question_ID"), item.get("question"), history), NAME)
    correct = item.get("is_correct")
    mistake = item.get("mistake_step")
    agents = list(dict.fromkeys(_speaker(entry) for entry in history))
    build.add(
        "run",
        {
            own.KIND: "agent",
            own.RUN_ROOT: True,
            own.RUN_SOURCE: NAME,
            own.RUN_GOAL: item.get("question") if isinstance(item.get("question"), str) else None,
            own.RUN_STATUS: {True: "ok", False: "failed"}.get(correct) if isinstance(correct, bool) else None,
            IMPORT + "agents": json_text(agents),
            **{
                IMPORT + key: json_text(item[key])
                for key in (
                    "question_ID",
                    "level",
                    "ground_truth",
                    "mistake_agent",
                    "mistake_step",
                    "mistake_reason",
                    "system_prompt",
                    "labels",
                )
                if item.get(key) is not None
            },
        },
    )
    for number, entry in enumerate(history):
        annotation = {IMPORT + "mistake": True} if mistake is not None and str(mistake) == str(number) else {}
        _step(build, entry, annotation)
    return build.finish()


def _speaker(entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) and name else str(entry.get("role") or "unknown")


def _step(build: Builder, entry: Mapping[str, Any], annotation: Mapping[str, Any]) -> None:
    speaker, content = _speaker(entry), entry["content"]
    execution = _EXECUTION.match(content)
    if execution is not None:
        build.add(
            f"execute_tool {speaker}",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": speaker,
                "gen_ai.tool.call.result": content,
                own.AGENT: speaker,
                **annotation,
            },
            failed=content.strip().splitlines()[0][:200] if int(execution.group(1)) else None,
        )
        return
    build.add(
        speaker,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.output.messages": text_message("assistant", content),
            own.AGENT: speaker,
            **annotation,
        },
    )


FORMAT: Final = Format(NAME, detect, read)
