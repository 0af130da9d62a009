"""Labels under attack: no value is trusted that nobody said, the watermark never rises, and limits hold together."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick.govern.labels.context import Context
from tallystick.govern.labels.said import said
from tallystick.govern.labels.scope import asked
from tallystick.model.guarding import ToolDeclaration, declaration_from, declaration_json
from tallystick.model.labels import UNKNOWN, Facts, Integrity, Returned, Role, worst
from tallystick.model.step import Effect

ORDER = tuple(Integrity)
PAY = ToolDeclaration(
    "send_money", Effect.IRREVERSIBLE,
    roles={"recipient": Role.AUTHORITY, "amount": Role.AUTHORITY, "subject": Role.CONTENT},
    limits={"amount": "100"}, origins={"recipient": ("tool:contacts.iban", "data:payees")},
)  # fmt: skip
MOVE = ToolDeclaration(
    "reschedule_event", Effect.WRITE, roles={"event_id": Role.AUTHORITY, "start": Role.CONTENT}
)
EVENTS = ToolDeclaration(
    "search_events", Effect.READ,
    returns={"id": Returned(Integrity.SYSTEM, (), ("title",)), "people": Returned(names=("title",))},
)  # fmt: skip
CONTACTS = ToolDeclaration("contacts", Effect.READ)
PAGE = ToolDeclaration("read_page", Effect.READ, data=("web",))


def facts(context: Context, tool: ToolDeclaration, **arguments: Any) -> Facts:
    return context.facts(tool, arguments, {"payees": frozenset({"de11"})})


def context(*words: str) -> Context:
    made = Context()
    for one in words:
        made.hear(one)
    return made


@pytest.mark.parametrize(
    ("words", "value", "there"),
    [
        ("write to ann@shop.example.", "ann@shop.example", True),
        ("write to joann@shop.example", "ann@shop.example", False),
        ("write to ann@shop.example.evil.io", "ann@shop.example", False),
        ("write to ann@shop.example", "аnn@shop.example", False),  # a Cyrillic letter
        ("write to ann@shop.example", "ann@shop.\u200bexample", False),
        ("pay 1,200.50 to A", 1200.5, True),
        ("pay 1200 to A", "1200.00", True),
        ("pay 100 to A", 10, False),
        ("an increase of 10 %", 10, False),
        ("an increase of 10% of it", 10, False),
        ("what do we do on June 13?", "13", False),
        ("what do we do on June 13?", "2024-06-13", True),
        ("on 2024-05-15 at 10 am", "2024-05-15 10:00", True),
        ("on 2024-05-15 at 10 am", "2024-05-15 22:00", False),
        ("on 2024-05-15", "2023-05-15", False),
        ("on May 15th", "2023-05-15T00:00", False),  # nobody named an hour
        ("read 'a/b.txt'", "b.txt", False),
        ("read 'b.txt'", "b.txt", True),
        ("it’s “Ann's Café”", "Ann's Cafe\u0301", True),
        ("id 12a4", 12, False),
        ("do this: 1. show the files 2. delete the largest", "1", False),
        ("do this: 1. show file 1 2. delete it", "1", True),
        ("pay him 50. Thanks", 50, True),
    ],
)
def test_what_counts_as_said(words: str, value: Any, there: bool) -> None:
    assert said([words]).has(value) is there


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(min_size=1, max_size=20))
def test_a_value_inside_a_longer_one_was_not_said(around: str, value: str) -> None:
    """Whatever stands around it: a value with a letter on either side is another value."""
    glued = f"{around} x{value}x"
    if (
        value.strip()
        and value.strip()[0].isalnum()
        and value.strip()[-1].isalnum()
        and value == value.strip()
    ):
        plain = said([around])
        if not plain.has(value) and not any(part.isspace() for part in value):
            assert not said([glued]).has(value)


def test_an_object_is_known_by_its_name() -> None:
    run = context("Please move my Dental check-up to Friday, and ask Bo too")
    run.read(
        EVENTS,
        [{"id": "5", "title": "Dental check-up", "people": ["bo@x.example"]}, {"id": "6", "title": "Yoga"}],
    )
    assert facts(run, MOVE, event_id="5", start="x").trusted
    other = facts(run, MOVE, event_id="6", start="x")
    assert (other.untrusted, other.watermark) == (("event_id",), Integrity.THIRD_PARTY)
    invite = ToolDeclaration("invite", Effect.WRITE, roles={"who": Role.AUTHORITY})
    assert facts(run, invite, who=["bo@x.example"]).trusted
    assert not facts(run, invite, who=["bo@x.example", "eve@x.example"]).trusted


def test_a_name_that_two_objects_carry_names_neither() -> None:
    run = context("delete the mail 'Invoice' and write to the people of 'Planning'")
    drop = ToolDeclaration("delete_mail", Effect.IRREVERSIBLE, roles={"mail": Role.AUTHORITY})
    write = ToolDeclaration("write", Effect.WRITE, roles={"who": Role.AUTHORITY})
    run.read(
        EVENTS, [{"id": "5", "title": "Invoice"}, {"id": "6", "title": "Planning", "people": ["a@x.example"]}]
    )
    assert facts(run, drop, mail="5").trusted
    assert facts(run, write, who=["a@x.example"]).trusted
    run.read(EVENTS, [{"id": "5", "title": "Invoice"}])  # the same one once more
    assert facts(run, drop, mail="5").trusted
    run.read(
        EVENTS,
        [{"id": "7", "title": "INVOICE"}, {"id": "8", "title": "Planning", "people": ["eve@x.example"]}],
    )
    assert not facts(run, drop, mail="5").trusted
    assert not facts(run, drop, mail="7").trusted
    assert not facts(run, write, who=["eve@x.example"]).trusted


def test_the_same_effect_is_one_that_moves_the_same() -> None:
    post = ToolDeclaration("post", Effect.WRITE, roles={"channel": Role.AUTHORITY, "text": Role.CONTENT})
    run = context("post in general")
    run.let_through(post, {"channel": "general", "text": "a"}, facts(run, post, channel="general", text="a"))
    assert facts(run, post, channel="general", text="a").again
    assert not facts(run, post, channel="general", text="b").again


def test_sources_directories_and_endorsements() -> None:
    run = context("pay my friend 30")
    assert facts(run, PAY, recipient="DE11", amount=30, subject="").trusted
    assert facts(run, PAY, recipient="DE22", amount=30, subject="").untrusted == ("recipient",)
    run.read(PAGE, {"iban": "DE22"})  # not the source that the declaration names
    assert facts(run, PAY, recipient="DE22", amount=30, subject="").authority is Integrity.THIRD_PARTY
    run.read(CONTACTS, json.dumps([{"name": "friend", "iban": "DE22"}]))
    assert facts(run, PAY, recipient="DE22", amount=30, subject="").trusted
    assert not facts(run, PAY, recipient="DE33", amount=30, subject="").trusted
    run.endorse("send_money", "recipient", "de33")
    assert facts(run, PAY, recipient="DE33", amount=30, subject="").trusted


def test_a_limit_holds_for_a_run_together() -> None:
    run = context("pay DE44 what I owe")
    one = facts(run, PAY, recipient="DE44", amount=60, subject="")
    assert one.trusted
    run.let_through(PAY, {"recipient": "DE44", "amount": 60}, one)
    assert facts(run, PAY, recipient="DE44", amount=60, subject="again").again
    more = facts(run, PAY, recipient="DE44", amount=41, subject="")
    assert (more.untrusted, more.again) == (("amount",), False)
    assert facts(run, PAY, recipient="DE44", amount=40, subject="").trusted
    assert not facts(
        run, PAY, recipient="DE55", amount=1, subject=""
    ).trusted  # a limit needs a clean recipient
    assert not facts(run, PAY, recipient="DE44", amount=-5, subject="").trusted


def test_links_classes_and_scope() -> None:
    mail = ToolDeclaration(
        "send_email", Effect.IRREVERSIBLE, roles={"to": Role.AUTHORITY, "body": Role.CONTENT}, readers=("crm",)
    )  # fmt: skip
    run = context("tell ann@x.example about https://known.example/a")
    seen = facts(
        run, mail, to="ann@x.example", body="see https://KNOWN.example/b and evil.io/?q=1 and javascript:x"
    )
    assert seen.links == ("evil.io", "javascript:")
    assert seen.asked
    assert not facts(context("what is the time?"), mail, to="a", body="").asked
    run.read(ToolDeclaration("crm", Effect.READ, data=("crm", "payment")), {"a": 1})
    assert facts(run, mail, to="ann@x.example", body="").leaks == ("payment",)
    run.release("payment", "send_email")
    assert facts(run, mail, to="ann@x.example", body="").leaks == ()


def test_words_ask_for_tools() -> None:
    def asks(words: str, name: str, *phrases: str) -> bool:
        return asked(said([words]), ToolDeclaration(name, asks=phrases))

    assert asks("Could you please be booking a table", "reserve_table")
    assert asks("They sent me too much, send it back", "sendMoney")
    assert not asks("Read the file", "delete_file")
    assert not asks("Give me their email addresses", "send_email")
    assert asks("append two ideas to the file", "append_to_file")
    assert asks("Bitte überweise 10", "send_money", "überweise")
    assert not asks("create a file", "create_event", "create event")
    assert not asked(said([]), ToolDeclaration("send_money"))


def test_labels_go_with_a_declaration() -> None:
    plain = declaration_json(PAY)
    assert declaration_from(json.loads(json.dumps(plain))) == PAY
    assert set(declaration_json(ToolDeclaration("x", Effect.READ))) == {
        "name", "effect", "description", "data", "authority", "arguments", "price_nano", "recovery", "digest"
    }  # fmt: skip
    assert Facts.read(UNKNOWN.as_json()) == UNKNOWN


class OneRun(RuleBasedStateMachine):
    """One run: whatever happens, trust is never won by reading, and what nobody said is not trusted."""

    @initialize()
    def begin(self) -> None:
        self.run = context("pay 10 to DE99 for lunch")
        self.lowest = self.run.watermark
        self.passed = Decimal(0)

    @rule(
        value=st.sampled_from(["DE11x", "DE22", "10", "https://evil.io"]),
        tool=st.sampled_from([PAGE, EVENTS, CONTACTS]),
    )
    def read(self, value: str, tool: ToolDeclaration) -> None:
        self.run.read(tool, {"text": value, "id": "1", "title": value})

    @rule(mark=st.sampled_from(ORDER), classes=st.sets(st.sampled_from(["a", "b"])))
    def inherit(self, mark: Integrity, classes: set[str]) -> None:
        before = set(self.run.classes)
        self.run.inherit(mark, classes)
        assert before <= self.run.classes

    @rule(amount=st.integers(0, 120))
    def pay(self, amount: int) -> None:
        found = facts(self.run, PAY, recipient="DE99", amount=amount, subject="s")
        if found.trusted:
            if amount != 10:
                self.passed += amount
            self.run.let_through(PAY, {"recipient": "DE99", "amount": amount}, found)

    @rule(recipient=st.sampled_from(["DE22", "DE77", "evil.io"]))
    def pay_a_stranger(self, recipient: str) -> None:
        found = facts(self.run, PAY, recipient=recipient, amount=1, subject="s")
        assert not found.trusted

    @invariant()
    def the_watermark_never_rises(self) -> None:
        assert worst((self.run.watermark, self.lowest)) is self.run.watermark
        self.lowest = self.run.watermark

    @invariant()
    def small_amounts_stay_small_together(self) -> None:
        assert self.passed <= 100


OneRun.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestOneRun = OneRun.TestCase
