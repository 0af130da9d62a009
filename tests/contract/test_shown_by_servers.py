"""What both control stores make of a server that changes a tool, changes it again, and goes back."""

from __future__ import annotations

from dataclasses import replace

from registry_samples import accepted, definition, shown

from tallystick.model.registry import Trust

ONE, TWO, THREE = (definition(text, "crm.find", server="crm") for text in ("one", "two", "three"))


def show(control, clock, what, why="changed", **more):
    clock.at += 5
    control.append([shown(what, "quarantined", why, "mcp", **more)])


def standing(control):
    rows = sorted(control.shown("crm.find"), key=lambda one: one.first)
    return [(one.definition, one.trust, one.why) for one in rows], [
        one.definition for one in rows if one.waits
    ]


def test_a_server_shows_one_definition_at_a_time(control, clock):
    show(control, clock, ONE, "new")
    show(control, clock, TWO)
    rows, waiting = standing(control)
    assert rows == [(ONE.digest, Trust.QUARANTINED, "replaced"), (TWO.digest, Trust.QUARANTINED, "changed")]
    assert waiting == [TWO.digest]
    show(control, clock, ONE, differs=["description"])  # it goes back to what nobody accepted
    rows, waiting = standing(control)
    assert rows[-1] == (ONE.digest, Trust.QUARANTINED, "changed")
    assert waiting == [ONE.digest]
    control.verify()
    assert control.rebuild()["changed"] == 0


def test_a_server_that_goes_back_to_what_was_accepted_waits_for_nobody(control, clock):
    show(control, clock, ONE, "new")
    clock.at += 5
    control.append([accepted(ONE, "mcp")])
    show(control, clock, TWO, against=ONE.digest)
    show(control, clock, ONE)
    rows, waiting = standing(control)
    assert rows[-1][:2] == (ONE.digest, Trust.ACCEPTED)
    assert waiting == []
    show(control, clock, THREE, against=ONE.digest)
    clock.at += 5
    control.append([accepted(THREE, "mcp")])
    show(control, clock, ONE)  # what was replaced by a person's word is trusted no more
    rows, waiting = standing(control)
    assert rows[-1] == (ONE.digest, Trust.QUARANTINED, "changed")
    assert waiting == [ONE.digest]
    control.verify()
    assert control.rebuild()["changed"] == 0


def test_code_may_show_several_at_once(control, clock):
    control.append([shown(replace(ONE, server=None))])
    for what in (TWO, THREE):
        control.append([shown(replace(what, server=None), "quarantined", "changed")])
    assert len(standing(control)[1]) == 2
