"""The form that answers an approval: changed values, words for later calls, several at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_web_pages import Client, client_of
from web_fake import FakeReader

from tallystick.model.errors import BadInput
from tallystick.web.answer_form import fields_of, read_form

ODD: dict[str, Any] = {
    "order": "A-1",
    "n": 20,
    "on": True,
    "list": [1],
    "bidi": "a\u202eb",
    "long": "x" * 100_000,
}


def held(**arguments: Any) -> dict[str, Any]:
    return {"editable": True, "arguments": arguments}


def sent(approval: dict[str, Any], **changes: str) -> dict[str, str]:
    """What a browser sends of the form: every field as it stands, with the line ends of forms."""
    return {
        f"argument.{one.place}": changes.get(one.name, one.text).replace("\n", "\r\n")
        for one in fields_of(approval) if one.kind
    }  # fmt: skip


def test_a_form_sent_back_as_it_was_changes_nothing() -> None:
    approval = held(**ODD, lines="a\nb", empty="", nothing=None, deep={"a": [1, {"b": 2.5}]})
    assert [one.kind for one in fields_of(approval)] == [
        "line", "number", "choice", "json", "json", "", "text", "line", "json", "json",
    ]  # fmt: skip
    assert read_form({**sent(approval), "answer": "edit"}, approval).more == {"edits": {}}


def test_only_what_was_changed_is_proposed_in_its_own_type() -> None:
    approval = held(**ODD)
    form = sent(approval, order="A-2", n="21", on="false", list='["a"]', bidi='"ab"') | {"answer": "edit"}
    edits = {"order": "A-2", "n": 21, "on": False, "list": ["a"], "bidi": "ab"}
    assert read_form(form, approval).more == {"edits": edits}


@pytest.mark.parametrize("text", ["", "1e999", "NaN", "{", "[" * 100_000, "9" * 5_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    approval = held(n=1)
    with pytest.raises(BadInput, match="is not JSON"):
        read_form({**sent(approval, n=text), "answer": "edit"}, approval)


def test_who_changed_a_value_does_not_approve_the_old_one() -> None:
    approval = held(**ODD)
    with pytest.raises(BadInput, match="you changed order"):
        read_form({**sent(approval, order="A-2"), "answer": "approve"}, approval)


@pytest.mark.parametrize("until", ["9999-12-31", "tomorrow", "2026-12-24T10:00"])
def test_a_day_that_is_none_is_refused(until: str) -> None:
    with pytest.raises(BadInput):
        read_form({"answer": "approve", "endorse": "n", "until": until}, held(n=1))


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def client(reader: FakeReader) -> Iterator[Client]:
    with client_of(reader) as client:
        yield client


def test_values_are_vouched_for_with_a_yes(client: Client, reader: FakeReader) -> None:
    form = {"answer": "approve", "endorse": "amount", "release": "customer_pii"}
    assert client.post("/approvals/apr_0001", data=form, follow_redirects=False).status_code == 303
    assert reader.more == [{"endorse": ["amount"], "release": ["customer_pii"]}]


def test_several_of_one_kind_are_answered_and_no_others(client: Client, reader: FakeReader) -> None:
    first = reader.approval("apr_0001")
    reader._approvals += [{**first, "approval": f"apr_{number}"} for number in range(50, 75)]
    page = client.get("/approvals/apr_0001").text
    assert page.count('name="chosen"') == 20
    for chosen in ([], ["apr_0001", "apr_0002"], [f"apr_{number}" for number in range(50, 71)]):
        assert client.post("/approvals", data={"answer": "approve", "chosen": chosen}).status_code == 400
    assert client.post("/approvals", data={"answer": "edit", "chosen": ["apr_50"]}).status_code == 400
    other = {"origin": "https://evil.example"}
    form = {"answer": "approve", "chosen": ["apr_50", "apr_51"], "note": "seen"}
    assert client.post("/approvals", data=form, headers=other).status_code == 403
    assert reader.answers == []
    reader.approval("apr_51")["state"] = "rejected"
    answered = client.post("/approvals", data=form)
    assert (answered.status_code, reader.answers) == (200, [("apr_50", "approved", "local", "seen")])
    assert "this approval was answered already" in answered.text
