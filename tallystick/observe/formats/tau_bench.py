"""tau-bench trajectories: a list of ``{task_id, trial, reward, info, traj}`` with OpenAI chat messages.

Every user message is a human step, every assistant message a model step (tokens unknown, the source has
none), every tool call with its result a tool step. Call ids repeat within a run, so a result belongs to the
nearest open call before it. The reward gives the run's status; the task's ground truth is kept as an
annotation."""

from __future__ import annotations

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
from tallystick.observe.messages import read_messages

NAME: Final = "tau-bench"


def detect(content: bytes) -> bool:
    """Whether the beginning of a JSON file looks like trajectories of tau-bench."""
    head = content[:200_000].lstrip()
    return head.startswith(b"[") and b'"task_id"' in head and b'"reward"' in head


def read(document: Any) -> Iterator[RecordedRun]:
    """Recorded runs of a parsed file. Raises BadInput with the run and message where the shape is wrong."""
    expect(document, list, "the file", "a list of runs (tau-bench trajectories)")
    for place, item in enumerate(document):
        where = f"run {place}"
        expect(item, dict, where, "an object with task_id, trial, reward, info and traj")
        for key, kind, words in (
            ("task_id", int, "a whole number"),
            ("reward", (int, float), "a number"),
            ("traj", list, "a list of messages"),
        ):
            expect(item.get(key), kind, f"{where}: {key}", words)
        yield _run(item, where)


def _run(item: Mapping[str, Any], where: str) -> RecordedRun:
    messages = item["traj"]
    for place, message in enumerate(messages):
        expect(message, dict, f"{where}, message {place}", "an object with role and content")
        expect(message.get("role"), str, f"{where}, message {place}: role", "system, user, assistant or tool")
        expect(message.get("tool_calls") or [], list, f"{where}, message {place}: tool_calls", "a list")
    trial = item.get("trial")
    build = Builder(run_id(NAME, item["task_id"], trial, item["reward"], messages), NAME)
    build.add(f"task {item['task_id']}, trial {trial}", _root(item, messages))
    answers = _answers(messages)
    for place, message in enumerate(messages):
        _message(build, message, place, answers)
        for number, call in enumerate(message.get("tool_calls") or ()):
            at = f"{where}, message {place}: tool_calls[{number}]"
            _call(build, call, messages, answers.get((place, number)), at)
    return build.finish()


def _call(
    build: Builder, call: Any, messages: list[Mapping[str, Any]], answer: int | None, where: str
) -> None:
    """A tool step with arguments and result; without a result it is what the model proposed, and nothing
    more."""
    expect(call, dict, where, "an object with id and function")
    function = expect(call.get("function"), dict, f"{where}.function", "an object with name and arguments")
    name = expect(function.get("name"), str, f"{where}.function.name", "the tool's name")
    result = messages[answer].get("content") if answer is not None else None
    columns = _tool(name, call.get("id"), function.get("arguments"), result)
    if answer is None:
        columns[own.DERIVED] = True
    build.add(f"execute_tool {name}", columns, failed=_failure(result))


def _root(item: Mapping[str, Any], messages: list[Mapping[str, Any]]) -> dict[str, Any]:
    info = item.get("info") if isinstance(item.get("info"), Mapping) else {}
    assert isinstance(info, Mapping)
    task = info.get("task") if isinstance(info.get("task"), Mapping) else {}
    assert isinstance(task, Mapping)
    said = [message.get("content") for message in messages if message["role"] == "user"]
    system = [message.get("content") for message in messages if message["role"] == "system"]
    goal = next((text for text in [*said, task.get("instruction")] if isinstance(text, str) and text), None)
    return {
        own.KIND: "agent",
        own.RUN_ROOT: True,
        own.RUN_SOURCE: NAME,
        own.RUN_GOAL: goal,
        own.RUN_STATUS: "ok" if item["reward"] == 1 else "failed",
        "gen_ai.system_instructions": "\n\n".join(text for text in system if isinstance(text, str)) or None,
        IMPORT + "task_id": item["task_id"],
        IMPORT + "trial": item.get("trial"),
        IMPORT + "reward": float(item["reward"]),
        IMPORT + "instruction": task.get("instruction"),
        IMPORT + "expected_actions": json_text(task["actions"]) if "actions" in task else None,
        IMPORT + "expected_outputs": json_text(task["outputs"]) if "outputs" in task else None,
        IMPORT + "user_cost_usd": info.get("user_cost"),  # of the simulated user, not of the agent
        IMPORT + "reward_info": json_text(info["reward_info"]) if info.get("reward_info") else None,
    }


def _answers(messages: list[Mapping[str, Any]]) -> dict[tuple[int, int], int]:
    """(message, call in it) -> the message with its result: the next free tool message with its id."""
    answers: dict[tuple[int, int], int] = {}
    waiting: list[tuple[int, int, Any]] = []
    for place, message in enumerate(messages):
        for number, call in enumerate(message.get("tool_calls") or ()):
            waiting.append((place, number, call.get("id") if isinstance(call, Mapping) else None))
        if message["role"] == "tool":
            for index, (asked, number, call) in enumerate(waiting):
                if call == message.get("tool_call_id"):
                    answers[(asked, number)] = place
                    del waiting[index]
                    break
    return answers


def _message(
    build: Builder, message: Mapping[str, Any], place: int, answers: dict[tuple[int, int], int]
) -> None:
    role, content = message["role"], message.get("content")
    if role == "user":
        build.add(
            "user", {own.KIND: "human", own.OUTPUT: json_text(content) if content is not None else None}
        )
    elif role == "assistant":
        build.add(
            "assistant",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.output.messages": json_text(read_messages(message, "assistant")),
            },
        )
    elif (
        role == "tool" and place not in answers.values()
    ):  # a result that nobody asked for is shown all the same
        build.add(
            str(message.get("name") or "tool"),
            _tool(message.get("name"), message.get("tool_call_id"), None, content),
            failed=_failure(content),
        )
    elif role not in ("system", "tool"):
        build.add(
            role[:100], {own.KIND: "other", "gen_ai.input.messages": text_message(role, json_text(content))}
        )


def _tool(name: Any, call: Any, arguments: Any, result: Any) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name if isinstance(name, str) else None,
        "gen_ai.tool.call.id": call if isinstance(call, str) else None,
        "gen_ai.tool.call.arguments": arguments if arguments is None else json_text(arguments),
        "gen_ai.tool.call.result": result if result is None else json_text(result),
    }


def _failure(result: Any) -> str | None:
    """The first line of a result that reports a failure (tau-bench tools begin it with "Error")."""
    return result.splitlines()[0][:200] if isinstance(result, str) and result.startswith("Error") else None


FORMAT: Final = Format(NAME, detect, read)
