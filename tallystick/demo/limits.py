"""Scenes in which nobody attacks and something is wrong all the same: a tool that says yes and does nothing, an agent
that does more than it was asked to, a person who wants another amount.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from tallystick.demo import facts, script
from tallystick.demo.scene import Scene
from tallystick.demo.stage import Stage
from tallystick.model import attributes
from tallystick.model.control import Approval

_LOOKS: Final = 1_000  # for a held call, 20 ms apart


def silent_failure(stage: Stage) -> Scene:
    """The warehouse says yes and packs nothing. What it did is read back, and nobody is told of a parcel."""
    run, text, server = stage.play(
        "Order A-1009: my pepper mill arrived broken. Please send a replacement.",
        script.desk(script.send_it_again()),
    )
    shown = stage.run(run)
    sent, found = facts.calls(shown, "send_replacement"), facts.calls(shown, "find_parcel")
    asked = sum("the case agent" in item.ask.system for item in server.served)
    told = sum("the writer" in item.ask.system for item in server.served)
    return Scene(
        run,
        "stopped by contract; the warehouse: accepted; read back: none; "
        "send_replacement allow, error, read_back find_parcel: parcel is not 'packed'; "
        "the case agent asked 2 times, the writer 0; no answer",
        f"{facts.standing(shown)}; the warehouse: {' '.join(step['result']['warehouse'] for step in sent)}; "
        f"read back: {' '.join(step['result']['parcel'] for step in found)}; "
        f"send_replacement {' '.join(_broken(stage, run, step) for step in sent)}; "
        f"the case agent asked {asked} times, the writer {told}; "
        f"{'no answer' if text is None and not stage.output(shown) else 'answered'}",
    )


def _broken(stage: Stage, run: str, step: facts.Json) -> str:
    """How a call was decided, how it is recorded all the same, and the contract that its result breaks."""
    whole = stage.reader.step(run, step["step"])
    return f"{step['decision']}, {step['status']}, {whole['attributes'].get(attributes.CONTRACT)}"


def beyond_delegation(stage: Stage) -> Scene:
    """The planner passes on the right to read. Rules let the case agent pay money back; its token does not."""
    run, _, server = stage.play(
        "Order A-1010: is the refund for my rice cooker on its way?",
        script.desk(script.refund_in_full()),
        rights=["effect:read"],
    )
    shown = stage.run(run)
    read = [item for item in server.served if "the case agent" in item.ask.system][-1].ask.results[-1]
    made = stage.stores.control.entries(run=run, kind="decision.made")
    decided = {entry.body["tool"]: entry.body for entry in made}
    chain = " to ".join(f"{one['agent']} ({one['via']})" for one in decided["refund"]["chain"])
    return Scene(
        run,
        "ok, complete; lookup_order allow, refund deny; at identity: the token gives no right to refund; "
        f"acting: planner (store) to case-agent (handoff); no refund for A-1010; the model read: {read}",
        f"{facts.standing(shown)}; {', '.join(_decisions(shown, 'lookup_order', 'refund'))}; "
        f"at {decided['refund']['stage']}: {' '.join(decided['refund']['reasons'])}; "
        f"acting: {chain}; {facts.refunds(stage.orders, 'A-1010')}; "
        f"the model read: {' '.join(str(step['result']) for step in facts.calls(shown, 'refund'))}",
    )


def _decisions(shown: facts.Json, *tools: str) -> list[str]:
    return [f"{step['tool']} {step['decision']}" for tool in tools for step in facts.calls(shown, tool)]


def edited_refund(stage: Stage) -> Scene:
    """Finance would pay 200 of 300 dollars. The changed refund is decided anew, held again, approved and paid once."""
    before: list[str] = []

    def edit(approval: Approval) -> None:
        before.append(facts.refunds(stage.orders, "A-1011"))
        stage.edit(approval.id, {"amount": "200.00"}, by="dana@finance", note="The bowl came back scratched.")

    def approve(approval: Approval) -> None:
        before.append(facts.refunds(stage.orders, "A-1011"))
        stage.approve(approval.id, by="lee@finance", note="200 it is.")

    person = threading.Thread(target=_answer, args=(stage, "A-1011", [edit, approve]), name="finance")
    person.start()
    run, _, _ = stage.play(
        "Order A-1011: the food processor is too loud. Please refund it.",
        script.desk(script.refund_in_full()),
    )
    person.join()
    shown = stage.run(run)
    asked = sorted(stage.stores.control.approvals(run=run), key=lambda one: one.requested)
    return Scene(
        run,
        "ok, complete; asked of finance: 300.00, changed to 200.00 by dana@finance, consumed; "
        "200.00, approved by lee@finance, consumed; "
        "before: no refund for A-1011, no refund for A-1011; after: A-1011 refunded $200.00; "
        "receipt over 200.00 USD, landed",
        f"{facts.standing(shown)}; asked of {' and '.join(sorted({one.group for one in asked}))}: "
        f"{'; '.join(_asked(one) for one in asked)}; before: {', '.join(before)}; "
        f"after: {facts.refunds(stage.orders, 'A-1011')}; "
        + ", ".join(
            f"receipt over {step['result']['refunded_usd']} USD, {step['outcome']}"
            for step in facts.calls(shown, "refund")
        ),
    )


def _asked(approval: Approval) -> str:
    said = "approved" if approval.edits is None else f"changed to {approval.edits['amount']}"
    return f"{approval.arguments['amount']}, {said} by {approval.by}, {approval.state.value}"


def _answer(stage: Stage, order: str, answers: list[Callable[[Approval], None]]) -> None:
    """Wait for the held refunds of an order, one after the other, and answer each as a person would."""
    pause, seen = threading.Event(), set[str]()
    for _ in range(_LOOKS):
        for approval in stage.waiting():
            if approval.arguments.get("order_id") == order and approval.id not in seen:
                seen.add(approval.id)
                answers[len(seen) - 1](approval)
        if len(seen) == len(answers):
            return
        pause.wait(0.02)
