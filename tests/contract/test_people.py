"""People, tokens and delegations in both control stores: what may be written, and what the views then say."""

from __future__ import annotations

from typing import Any

import pytest
from people_samples import (
    DAY,
    answered,
    delegation,
    ended,
    person,
    removed,
    revoked,
    some_people,
    token,
    waiting,
)

from tallystick.model.errors import BadInput, Conflict, Denied, TallystickError, UnknownThing
from tallystick.model.journal import Draft
from tallystick.model.people import Role
from tallystick.ports import ControlStore


@pytest.fixture
def peopled(control: ControlStore, clock: Any) -> ControlStore:
    some_people(control, clock.now())
    return control


def test_a_store_without_people_says_so(control: ControlStore) -> None:
    people = control.people()
    assert (people.exist, people.revision, control.people_revision()) == (False, 0, 0)


def test_people_are_what_the_journal_says(peopled: ControlStore, clock: Any) -> None:
    people = peopled.people()
    assert list(people.persons) == ["ann", "bob", "eve"]
    assert (people.persons["ann"].role, people.persons["ann"].groups) == (Role.APPROVER, ("finance",))
    assert people.by_os_user("ann") == people.persons["ann"]
    assert people.by_os_user("root") is None
    found = people.by_token("tok_bob", clock.now())
    assert found is not None
    assert found[0].name == "bob"
    assert people.may_answer("ann", "finance", clock.now()) is None
    assert people.may_answer("bob", "finance", clock.now()) is None  # in place of ann
    assert "role" in (people.may_answer("eve", "finance", clock.now()) or "")
    assert people.revision == peopled.people_revision() == peopled.head()[0]
    assert peopled.rebuild()["changed"] == 0
    assert peopled.people() == people
    assert peopled.verify() == peopled.head()[0]


@pytest.mark.parametrize(
    ("name", "draft", "error"),
    [
        ("twice", person("ann"), Conflict), ("a bad name", person("Ann"), BadInput),
        ("a look-alike", person("аnn"), BadInput), ("empty", person(""), BadInput),
        ("an operating system's name", person("os:root"), BadInput), ("a path", person("a/../b"), BadInput),
        ("no role", person("max", "king"), BadInput), ("a program", person("max", "program"), BadInput),
        ("a bad group", person("max", groups=["a b"]), BadInput), ("a text as groups", person("max", groups="x"), None),
        ("another's user", person("max", os_user="ann"), Conflict), ("nobody", removed("max"), UnknownThing),
        ("a change of nobody", person("max", kind="changed"), UnknownThing),
        ("a token of nobody", token("tok_9", "max", 2**60), UnknownThing),
        ("a token in the past", token("tok_9", "ann", 1), BadInput),
        ("a token for ever", token("tok_9", "ann", 2**62), BadInput),
        ("a digest twice", token("tok_9", "ann", 0, "tok_bob"), Conflict),
        ("an id twice", token("tok_ann", "ann", 0, "other"), Conflict),
        ("no such token", revoked("tok_9"), UnknownThing),
        ("an end of no token", Draft("signin.ended", "x", {"token": "tok_9", "by": "x"}), UnknownThing),
        ("passed on", delegation("dlg_2", "bob", "eve", 0), Denied),
        ("to a viewer", delegation("dlg_2", "ann", "eve", 0), Denied),
        ("to oneself", delegation("dlg_2", "ann", "ann", 0), BadInput),
        ("another group", delegation("dlg_2", "ann", "bob", 0, "legal"), Denied),
        ("into the past", delegation("dlg_2", "ann", "bob", 1), BadInput),
        ("for ever", delegation("dlg_2", "ann", "bob", 2**62), BadInput),
        ("no such delegation", ended("dlg_9"), UnknownThing),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_may_not_be_written(
    peopled: ControlStore, clock: Any, name: str, draft: Draft, error: type[TallystickError] | None
) -> None:
    due = {key: str(clock.now() + DAY) for key in ("expires_ns", "until_ns") if draft.body.get(key) == "0"}
    draft = Draft(draft.kind, draft.subject, {**draft.body, **due}, actor=draft.actor)
    before = peopled.head(), peopled.people()
    if error is None:
        peopled.append([draft])  # letters are names
        return
    with pytest.raises(error):
        peopled.append([draft])
    assert (peopled.head(), peopled.people()) == before, name


def test_a_name_means_one_person_for_good(peopled: ControlStore, clock: Any) -> None:
    peopled.append([removed("ann")])
    for draft in (
        person("ann"),
        person("ann", kind="changed"),
        removed("ann"),
        token("t", "ann", clock.now() + DAY),
    ):
        with pytest.raises(Conflict, match="removed"):
            peopled.append([draft])
    people = peopled.people()
    assert people.by_token("tok_ann", clock.now()) is None
    assert people.by_os_user("ann") is None
    assert people.may_answer("bob", "finance", clock.now()) is not None  # nobody is left to stand in for
    peopled.append([person("max", os_user="ann")])  # the user of the machine may be somebody else now


def test_a_token_ends_by_time_or_at_once(peopled: ControlStore, clock: Any) -> None:
    people, until = peopled.people(), peopled.people().tokens["tok_ann"].expires
    assert people.by_token("tok_ann", until - 1) is not None
    assert people.by_token("tok_ann", until) is None
    peopled.append([revoked("tok_ann")])
    assert peopled.people().by_token("tok_ann", clock.now()) is None
    with pytest.raises(Conflict):
        peopled.append([revoked("tok_ann")])


def test_use_and_end_of_sessions_are_noted(peopled: ControlStore) -> None:
    revision = peopled.people_revision()
    made = Draft("signin.made", "ann", {"how": "token", "by": "ann", "token": "tok_ann"}, actor="ann")
    peopled.append(
        [made, Draft("signin.made", "x", {"how": "form", "by": "x"}, actor="x")]
    )  # as old entries are
    assert peopled.people_revision() == revision  # nobody may do more or less
    entry = peopled.entries(kind="signin.made")[0]
    assert peopled.people().tokens["tok_ann"].used == entry.at
    peopled.append([Draft("signin.ended", "ann", {"token": "tok_ann", "by": "ann"}, actor="ann")])
    assert peopled.people().tokens["tok_ann"].ends == 1
    assert peopled.people_revision() > revision
    assert peopled.rebuild()["changed"] == 0


def test_an_answer_is_checked_as_it_is_written(peopled: ControlStore, clock: Any) -> None:
    peopled.append([waiting("apr_1"), waiting("apr_2", "legal"), waiting("apr_3")])
    for draft in (
        answered("apr_2", "ann"), answered("apr_1", "eve"), answered("apr_1", "max"),
        answered("apr_1", "root", person=None),
    ):  # fmt: skip
        with pytest.raises(Denied):
            peopled.append([draft])
    with pytest.raises(BadInput):
        peopled.append([answered("apr_1", "eve", person="ann")])
    with pytest.raises(Denied):
        peopled.append([removed("ann"), answered("apr_1", "ann")])  # in one transaction
    assert peopled.approval("apr_1").state.value == "waiting"
    peopled.append([answered("apr_1", "bob")])
    assert peopled.approval("apr_1").by == "bob"
    with pytest.raises(Conflict):
        peopled.append([answered("apr_1", "ann", answer="rejected")])
    clock.at += 2 * DAY  # the delegation has ended
    with pytest.raises(Denied, match="nobody delegated"):
        peopled.append([answered("apr_3", "bob")])
    assert peopled.rebuild()["changed"] == 0


def test_before_there_are_people_anybody_on_the_machine_answers(control: ControlStore) -> None:
    control.append([waiting("apr_1"), answered("apr_1", "root", person=None)])
    assert control.approval("apr_1").by == "root"


def test_what_one_person_did_is_looked_up(peopled: ControlStore) -> None:
    peopled.append([waiting("apr_1"), answered("apr_1", "ann")])
    mine = peopled.entries(actor="ann", newest=True)
    assert [entry.kind for entry in mine] == ["approval.answered", "delegation.made"]
    assert [entry.kind for entry in peopled.entries(actor="ann", kind="approval.*")] == ["approval.answered"]
    assert len(peopled.entries(actor="tallystick")) == 1
    assert peopled.entries(actor="nobody") == []
