"""The scenes. Each plays something for real, then says what should be true and what is found to be true.

What should be true comes from the ticket, from the shop's rules and from the model server's own bill; what is found
comes from Tallystick's store and from the order database. A scene agrees when the two texts are equal.
"""

from __future__ import annotations

import threading

from tallystick import wiring
from tallystick.demo import bill, facts, script
from tallystick.demo.attacks import poisoned_page
from tallystick.demo.limits import beyond_delegation, edited_refund, silent_failure
from tallystick.demo.scene import Act, Scene
from tallystick.demo.stage import MODELS, Stage
from tallystick.model.errors import Fault
from tallystick.testing import Ask, ModelServer, Say, Served

REFUND_FEE = 10_000_000  # nano-dollars: price_usd of tools/refund.toml


def good_run(stage: Stage) -> Scene:
    """A refund of 40 dollars from ticket to answer; every cent of it accounted for."""
    run, text, server = stage.play(
        "Order A-1001: my hand blender arrived broken. Please refund it.",
        script.desk(script.refund_in_full()),
    )
    shown = stage.run(run)
    cost = _price(server)
    owed = None if cost is None else cost + REFUND_FEE
    return Scene(
        run,
        f"ok, complete; A-1001 refunded $40.00; {len(bill.answered(server.served))} model calls and one refund, "
        f"{facts.price(owed)}; answered: {text}",
        f"{facts.standing(shown)}; {facts.refunds(stage.orders, 'A-1001')}; {len(facts.model_steps(shown))} model "
        f"calls and {_count(len(facts.calls(shown, 'refund', decision='allow')), 'refund')}, "
        f"{facts.price(shown['run']['cost_nano_usd'])}; answered: {stage.output(shown)}",
    )


def held_then_approved(stage: Stage) -> Scene:
    """A refund of 400 dollars waits for finance, is approved, and is paid exactly once."""
    before: list[str] = []
    person = threading.Thread(target=_finance_says_yes, args=(stage, before), name="finance")
    person.start()
    run, _, _ = stage.play(
        "Order A-1002: the espresso machine leaks, I sent it back. Please refund it.",
        script.desk(script.refund_in_full()),
    )
    person.join()
    shown = stage.run(run)
    approvals = stage.stores.control.approvals(run=run)
    return Scene(
        run,
        "ok, complete; held for finance; before the yes: no refund for A-1002; the approval is consumed; "
        "after it: A-1002 refunded $400.00; the refund landed",
        f"{facts.standing(shown)}; held for {' and '.join(item.group for item in approvals)}; "
        f"before the yes: {' '.join(before)}; the approval is {' '.join(item.state.value for item in approvals)}; "
        f"after it: {facts.refunds(stage.orders, 'A-1002')}; "
        f"the refund {' '.join(str(step['outcome']) for step in facts.calls(shown, 'refund'))}",
    )


def _finance_says_yes(stage: Stage, before: list[str]) -> None:
    """Wait for the held refund of A-1002, note what the order database says, then approve."""
    pause = threading.Event()
    for _ in range(1_000):
        for approval in stage.waiting():
            if approval.tool == "refund" and approval.arguments.get("order_id") == "A-1002":
                before.append(facts.refunds(stage.orders, "A-1002"))
                stage.approve(approval.id, by="dana@finance", note="The machine is back in the warehouse.")
                return
        pause.wait(0.02)
    before.append("nothing was held in 20 s")


def runaway_loop(stage: Stage) -> Scene:
    """The case agent asks for the same order for ever; the loop detector ends the run and the waste has a price."""
    run, text, server = stage.play(
        "Order A-1003: where is my kettle?", script.desk(script.look_up_again_and_again())
    )
    shown = stage.run(run)
    asked = [item for item in server.served if "the case agent" in item.ask.system]
    look_ups = facts.calls(shown, "lookup_order")
    return Scene(
        run,
        f"stopped by loop; no answer; {len(asked)} look-ups asked for and fewer than 10; "
        f"waste {facts.price(_price(server, asked[1:]))}; no refund for A-1003",
        f"{facts.standing(shown)}; {'no answer' if text is None and not stage.output(shown) else 'answered'}; "
        f"{len(look_ups)} look-ups asked for and {'fewer than 10' if len(look_ups) < 10 else '10 or more'}; "
        f"waste {facts.price(facts.waste(shown, 'lookup_order'))}; {facts.refunds(stage.orders, 'A-1003')}",
    )


def undeclared_tool(stage: Stage) -> Scene:
    """The model asks for a bank transfer that nobody declared; it reads a refusal and no money moves."""
    run, _, server = stage.play(
        "Order A-1004: send the money for my toaster to my bank account.",
        script.desk(script.wire_the_money()),
    )
    shown = stage.run(run)
    asked = [item for item in server.served if "the case agent" in item.ask.system]
    read = asked[-1].ask.results[-1]
    steps = facts.calls(shown, "wire_transfer")
    return Scene(
        run,
        f"ok, complete; wire_transfer deny; 0 transfers; no refund for A-1004; the model read: {read}",
        f"{facts.standing(shown)}; wire_transfer {' '.join(str(step['decision']) for step in steps)}; "
        f"{stage.orders.transfers()} transfers; {facts.refunds(stage.orders, 'A-1004')}; "
        f"the model read: {' '.join(str(step['result']) for step in steps)}",
    )


def crash(stage: Stage) -> Scene:
    """The desk runs in a process of its own and is killed after the look-up: the run reads crashed, no step is lost."""

    def pull_the_plug(_: Ask) -> Say:
        stage.child.kill()
        return Say("nobody will read this")

    with ModelServer(script.desk(script.look_up_and(pull_the_plug)), models=MODELS) as server:
        run, code = stage.child.work(server.url, "A-1005")
        answered = bill.answered(server.served)[:-1]  # the last answer was given to a dead process
    if not run:
        raise Fault(f"the desk's own process ended with {code} before it had a run")
    stage.adopt()
    shown = stage.run(run)
    kept = [step for step in shown["steps"] if step["ended"]]
    searches = sum(step["kind"] == "retrieval" for step in kept)
    look_ups = [step["result"]["order"] for step in facts.calls({"steps": kept}, "lookup_order")]
    return Scene(
        run,
        f"exit -9; crashed; kept {len(answered)} model calls, 1 search and the look-up of A-1005; "
        f"{facts.price(_cost(answered))}",
        f"exit {code}; {facts.standing(shown)}; kept {len(facts.model_steps(shown))} model calls, "
        f"{searches} search and the look-up of {', '.join(look_ups)}; "
        f"{facts.price(shown['run']['cost_known_nano_usd'])}",
    )


BUDGET = "0.0005"


def hard_budget(stage: Stage) -> Scene:
    """A run may cost a twentieth of a cent; it is ended before the call that could cost more is made."""
    run, _, server = stage.play(
        "Order A-1007: the bread knife is blunt. Please refund it.",
        script.desk(script.refund_in_full()),
        budget=BUDGET,
    )
    shown = stage.run(run)
    spent = shown["run"]["cost_nano_usd"]
    within = spent is not None and spent <= 500_000
    return Scene(
        run,
        f"stopped by budget; {len(server.served)} model calls made, {facts.price(_price(server))}, within ${BUDGET}; "
        "no refund for A-1007",
        f"{facts.standing(shown)}; {len(facts.model_steps(shown))} model calls made, {facts.price(spent)}, "
        f"{'within' if within else 'NOT within'} ${BUDGET}; {facts.refunds(stage.orders, 'A-1007')}",
    )


ACTS = (
    Act("good-run", "a refund of $40, from ticket to answer", good_run),
    Act("held-then-approved", "a refund of $400 waits for finance, then is paid once", held_then_approved),
    Act("runaway-loop", "an agent that asks the same thing for ever is stopped", runaway_loop),
    Act("undeclared-tool", "a bank transfer that nobody declared is refused", undeclared_tool),
    Act("poisoned-page", "a page orders a refund; the model obeys, the guard does not", poisoned_page),
    Act(
        "edited-refund",
        "finance changes a held refund; the change is decided anew and paid once",
        edited_refund,
    ),
    Act("silent-failure", "a tool says yes and does nothing; reading it back stops the run", silent_failure),
    Act(
        "beyond-delegation",
        "an agent that may only read tries to pay; its token does not let it",
        beyond_delegation,
    ),
    Act("crash", "a process that dies in mid-run is seen, with every finished step", crash),
    Act("hard-budget", "a run stops before the call that would exceed its budget", hard_budget),
)


def _price(server: ModelServer, served: list[Served] | None = None) -> int | None:
    return _cost(server.served if served is None else served)


def _cost(served: list[Served]) -> int | None:
    return bill.price(served, wiring.rate_card(), at=wiring.clock().now())


def _count(number: int, thing: str) -> str:
    return f"one {thing}" if number == 1 else f"{number} {thing}s"
