"""The refund desk: five agents that answer one ticket together.

    planner -> researcher -> case agent -> writer -> reviewer

Read this file first. Everything that Tallystick needs is here: ``@tallystick.agent`` on what acts,
``@tallystick.tool`` on what can be called, ``tallystick.run`` around one ticket, ``tallystick.handoff`` where work
changes hands, and ``tallystick.model_call`` around the model (in loop.py). The rest is an ordinary program.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from openai import OpenAI

import tallystick
from tallystick.demo.loop import Tool, converse, dictate
from tallystick.demo.orders import OrderError, Orders
from tallystick.demo.pages import Pages
from tallystick.sdk.ensuring import read_back

SMALL = "gpt-4o-mini"
CAREFUL = "gpt-4.1-mini"


class Desk:
    """One refund desk: a model, an order database and a folder of policy pages.

    ``folder`` holds ``orders.db``, ``pages/`` and ``prompts/``. ``model_url`` is where the model answers; without
    it the openai client reads OPENAI_BASE_URL, as always.
    """

    def __init__(self, folder: Path, model_url: str | None = None) -> None:
        self.orders = Orders(folder / "orders.db")
        self.pages = Pages(folder / "pages")
        self.prompts = folder / "prompts"
        self.client = OpenAI(
            base_url=model_url, api_key=os.environ.get("OPENAI_API_KEY", "none"), max_retries=1
        )

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    # ── the tools ──────────────────────────────────────────────────────────────────────────────────────────────

    def tools(self) -> dict[str, Tool]:
        """The desk's tools by name. The guard decides each call by policies/refunds.cedar."""

        @tallystick.tool(effect="read", kind="retrieval")
        def search_pages(question: str) -> list[dict[str, str]]:
            """Find the policy pages that match a question."""
            return self.pages.search(question)

        @tallystick.tool(effect="read", data=["customer_pii"])
        def lookup_order(order_id: str) -> dict[str, str]:
            """Read one order: customer, item, price, state."""
            return self.orders.look_up(order_id)

        @tallystick.tool(effect="irreversible", data=["payment"], authority=["order_id", "amount"])
        def refund(order_id: str, amount: Decimal) -> dict[str, str]:
            """Pay money back to the customer of an order. The amount is in US dollars."""
            try:
                return self.orders.refund(order_id, amount)
            except OrderError:
                tallystick.outcome("did not happen")  # the database rolled back, so this is certain
                raise

        @tallystick.tool(effect="read", kind="retrieval")
        def find_parcel(order_id: str) -> dict[str, str]:
            """Read whether a parcel was packed for an order."""
            return self.orders.parcel(order_id)

        # The warehouse says yes to everything. What it really did is read back after each call.
        packed = read_back(find_parcel, order_id="order_id", expect={"parcel": "packed"})

        @tallystick.tool(effect="write", authority=["order_id"], ensures=packed)
        def send_replacement(order_id: str) -> dict[str, str]:
            """Send the customer of an order another piece of the same item."""
            return self.orders.send_again(order_id)

        # Somebody once wired this in and never declared it: no effect, no tools/wire_transfer.toml, no policy.
        def wire_transfer(account: str, amount: Decimal) -> dict[str, str]:
            """Send money to a bank account."""
            return self.orders.transfer(account, amount)

        return {
            "search_pages": search_pages,
            "lookup_order": lookup_order,
            "refund": refund,
            "find_parcel": find_parcel,
            "send_replacement": send_replacement,
            "wire_transfer": tallystick.guard(wire_transfer),
        }

    # ── the agents ─────────────────────────────────────────────────────────────────────────────────────────────

    def told(self, agent: str) -> str:
        """What an agent is told before anything else: prompts/AGENT.md, a prompt of the registry."""
        return (self.prompts / f"{agent}.md").read_text("utf-8").strip()

    @tallystick.agent(name="planner", version="1.0.0")
    def plan(self, ticket: str) -> list[str]:
        """Say which steps will answer the ticket, one a line."""
        return converse(self.client, model=SMALL, system=self.told("planner"), user=ticket).splitlines()

    @tallystick.agent(name="researcher", version="1.0.0")
    def research(self, ticket: str) -> str:
        """Find the rules that apply to the ticket."""
        hands = [self.tools()["search_pages"]]
        return converse(self.client, model=SMALL, system=self.told("researcher"), user=ticket, tools=hands)

    @tallystick.agent(name="case-agent", version="1.2.0")
    def settle(self, ticket: str, rules: str) -> str:
        """Look the order up, do what the rules allow, and report what was done."""
        tools, known = self.tools(), f"{ticket}\n\nRules: {rules}"
        hands = [tools[name] for name in ("lookup_order", "refund", "send_replacement", "wire_transfer")]
        return converse(self.client, model=CAREFUL, system=self.told("case-agent"), user=known, tools=hands)

    @tallystick.agent(name="writer", version="1.0.0")
    def write(self, ticket: str, done: str) -> str:
        """Write the answer that the customer reads."""
        known = f"{ticket}\n\nDone: {done}"
        return dictate(self.client, model=SMALL, system=self.told("writer"), user=known)

    @tallystick.agent(name="reviewer", version="1.0.0")
    def review(self, draft: str, done: str) -> str:
        """Check the answer against what was done; return "approved" or what is wrong."""
        known = f"Draft: {draft}\n\nDone: {done}"
        return converse(self.client, model=CAREFUL, system=self.told("reviewer"), user=known)

    # ── the work ───────────────────────────────────────────────────────────────────────────────────────────────

    def handle(self, ticket: str, run: Any, rights: Sequence[str] | None = None) -> str:
        """Answer one ticket inside an open run; return the text that goes to the customer.

        ``rights``: what the planner lets the case agent do; None: whatever the planner may do itself.
        """
        run.plan(self.plan(ticket))
        with tallystick.handoff("researcher", reason="the rules are needed first", payload=ticket):
            rules = self.research(ticket)
        with tallystick.handoff("case-agent", reason="the rules are known", payload=rules, rights=rights):
            done = self.settle(ticket, rules)
        with tallystick.handoff("writer", reason="the case is settled", payload=done):
            draft = self.write(ticket, done)
        with tallystick.handoff("reviewer", reason="the draft is ready", payload=draft):
            verdict = self.review(draft, done)
        if not verdict.lower().startswith("approved"):
            run.fail(f"the reviewer objects: {verdict}")
        run.output(draft)
        return draft


def answer(
    desk: Desk, ticket: str, *, budget: str | None = None, started: Callable[[str], object] | None = None,
    rights: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """Answer one ticket as a run of its own and return the text. ``budget``: the most it may cost, in US dollars.

    ``rights`` are all that the case agent has of the planner's (``effect:read``, ``tool:refund``).
    ``started`` is told the run's id as soon as there is one. Raises Stopped or OverBudget when the guard ends the run.
    """
    with tallystick.run(goal=ticket, workflow="refund-desk", agent="planner", budget=budget) as run:
        if started is not None:
            started(run.id or "")
        return desk.handle(ticket, run, rights)
