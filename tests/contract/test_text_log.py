"""What every index of texts must do (ports.TextLog): the same questions to both stores."""

from __future__ import annotations

import json

import pytest
from store_samples import SECOND, START, Clock, pair, said

from tallystick.app.recording.texts import TextIndexer
from tallystick.model.errors import BadInput
from tallystick.model.query import parse_query
from tallystick.model.span import Event, Source
from tallystick.model.step import Kind, StepStatus

NOW = START + 1000 * SECOND


@pytest.fixture
def ask(traces):
    """Indexes what is due, and gives the numbers of the traces whose runs match."""
    clock = Clock()
    clock.at = NOW

    def asked(text: str, *, index: bool = True) -> list[int]:
        if index:
            done = TextIndexer(traces, clock).index_due()
            assert done.faults == ()
        page = traces.runs(parse_query(text), now=NOW)
        assert page.total == len(page.runs)
        return sorted(int(run.run, 16) - 1 for run in page.runs)

    return asked


def test_words_find_runs_by_what_was_said(traces, ask):
    traces.write([said(0, "Where is order 4711, please?"), said(1, "Café crème — the ORDER is late")], at=NOW)
    assert ask("order") == [0, 1]
    assert ask("4711") == [0]
    assert ask("cafe") == ask("CAFÉ") == [1]
    assert ask("-4711") == [1]
    assert ask("order late") == [1]
    assert ask("ord*") == [0, 1]
    assert ask("rder") == []  # a part of a word is none
    assert ask("user") == []  # who speaks is no text
    assert ask("content") == []  # nor is a key


def test_a_phrase_is_what_stands_in_one_text(traces, ask):
    traces.write(
        [said(0, "refund the money now"), said(1, "the refund: money"), said(2, "now refund THE, money")],
        at=NOW,
    )
    assert ask('"refund the money"') == [0, 2]
    assert ask('"refund the mon*"') == [0, 2]
    assert ask('-"refund the money"') == [1]
    assert ask('"refund money"') == [1]
    assert ask('refund "the money"') == [0, 2]


def test_a_phrase_is_found_wherever_a_text_lies(traces, ask):
    """In attributes, texts that are cut, items of lists and their blocks, events, names, errors; however spelled."""
    far = "lorem " * 681 + "red fox " + "ipsum " * 1500  # where the first piece of a long text ends
    chat = [
        {"role": "user", "parts": [{"type": "text", "content": f"{n} " + "dolor " * 9}]} for n in range(40)
    ]
    chat[5]["parts"][0]["content"] += "the red\nfox"
    key = "gen_ai.tool.call.result"
    traces.write([
        pair(0, 0, kind=Kind.TOOL, attributes={key: far}),
        pair(1, 10, kind=Kind.MODEL, attributes={"gen_ai.input.messages": json.dumps(chat)}),
        pair(2, 20, kind=Kind.TOOL, attributes={key: json.dumps({"a": json.dumps(["RED — fox"])})}),
        pair(3, 30, events=(Event("said", 1, {"x": "Réd fox"}),)),
        pair(4, 40, name="red fox"), pair(5, 50, error="a red-fox error", status=StepStatus.ERROR),
        pair(6, 60, kind=Kind.TOOL, attributes={key: "red", "gen_ai.tool.call.arguments": "fox"}),
        pair(7, 70, kind=Kind.TOOL, attributes={key: ["red", "fox"]}),
        pair(8, 80, kind=Kind.TOOL, attributes={key: "x" * 300 + " ｒｅｄ fox"}),
        pair(9, 90, agent="red fox"), pair(10, 100, kind=Kind.TOOL, tool="red_fox", attributes={key: "fox red"}),
    ], at=NOW)  # fmt: skip
    assert ask('"red fox"') == [0, 1, 2, 3, 4, 5, 8, 9, 10]
    assert ask('"red fo*" -"the red"') == [0, 2, 3, 4, 5, 8, 9, 10]


def test_a_full_page_of_a_phrase_says_that_there_may_be_more(traces, ask):
    traces.write([said(number, "one two") for number in range(6)], at=NOW)
    ask("one")
    query = parse_query('"one two"')
    page = traces.runs(query, now=NOW, limit=2)
    assert (page.total, page.at_least, len(page.runs)) == (3, True, 2)
    rest = traces.runs(query, now=NOW, limit=10, before=page.runs[-1].run)
    assert len(rest.runs) == 4
    assert {run.run for run in page.runs}.isdisjoint(run.run for run in rest.runs)
    whole = traces.runs(query, now=NOW, limit=10)
    assert (whole.total, whole.at_least) == (6, False)
    assert sum(row.runs for row in traces.spend("run", query, now=NOW)) == 6


def test_goals_are_found_by_a_part_of_them_before_anything_is_indexed(traces, ask):
    traces.write([said(0, "hello", facts={"root": True, "goal": "Resolve the ticket"})], at=NOW)
    assert ask("solve", index=False) == [0]
    assert ask("hello", index=False) == []
    assert ask("hello") == [0]


def test_arguments_results_errors_and_events_are_texts(traces, ask):
    tool = pair(
        0, 0, kind=Kind.TOOL, tool="refund", status=StepStatus.ERROR, error="CardDeclined",
        attributes={
            "gen_ai.tool.call.arguments": '{"order": 4711, "note": "{\\"deep\\": \\"inside\\"}"}',
            "gen_ai.tool.call.result": [{"said": "no money left"}],
        },
        events=(Event("exception", 1, {"exception.message": "the bank refused"}),),
    )  # fmt: skip
    traces.write([tool], at=NOW)
    for word in ("4711", "inside", "money", "refused", "refund", "carddeclined"):
        assert ask(word) == [0], word
    assert ask("error:CardDeclined") == [0]
    assert ask("error:other") == []
    assert ask("kind:tool") == [0]
    assert ask("kind:model") == []


def test_attributes_of_steps_and_resources(traces, ask):
    source = Source({"service.name": "shop", "host.cpus": 4}, "s")
    traces.write([
        said(0, "x", attributes={"http.method": "GET", "tries": 3, "tags": ["a", "b"], "ok": True}, source=source),
        said(1, "x", attributes={"http.method": "POST", "tries": 12, "share": "0.5"}),
    ], at=NOW)  # fmt: skip
    assert ask("attr.http.method:GET") == [0]
    assert ask("attr.http.method:get") == []
    assert ask("attr.http.method:*") == [0, 1]
    assert ask("-attr.http.method:GET") == [1]
    assert ask("attr.tries:3") == [0]
    assert ask("attr.tries:>3") == [1]
    assert ask("attr.tries:>=3") == [0, 1]
    assert ask("-attr.tries:>3") == [0]
    assert ask("attr.share:<0.75") == [1]
    assert ask("attr.tags:b") == [0]
    assert ask("attr.ok:true") == [0]
    assert ask("attr.host.cpus:4 attr.service.name:shop") == [0]
    assert ask('attr.none:"x y"') == []


def test_scores(traces, ask):
    result = Event("gen_ai.evaluation.result", 1, {
        "gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 0.9,
        "gen_ai.evaluation.score.label": "Pass",
    })  # fmt: skip
    traces.write([
        said(0, "x", events=(result,)),
        said(1, "x", attributes={"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 0.2}),
        said(2, "x", attributes={"tallystick.import.scores": '[{"name": "tone", "value": "calm"}]'}),
    ], at=NOW)  # fmt: skip
    assert ask("score.helpful:>0.8") == [0]
    assert ask("score.helpful:<=0.2") == [1]
    assert ask("score.helpful:pass") == [0]
    assert ask("score.helpful:0.9") == [0]
    assert ask("score.helpful:*") == [0, 1]
    assert ask("-score.helpful:*") == [2]
    assert ask("score.tone:calm") == [2]


def test_an_open_run_is_indexed_again_as_it_grows(traces, ask):
    root = pair(0, 0, length=None, facts={"root": True})
    traces.write([root, said(1, "first", trace=0, parent=0)], at=NOW)
    assert ask("first") == [0]
    traces.write([said(2, "second", trace=0, parent=0)], at=NOW)
    assert ask("second") == []  # three steps are not twice two
    traces.write([said(3, "third", trace=0, parent=0)], at=NOW)
    assert ask("second third first") == [0]
    traces.write([pair(0, 0, facts={"root": True}, attributes={"gen_ai.output.messages": "the end"})], at=NOW)
    assert ask('"the end"') == [0]
    assert ask("first second third end") == [0]
    traces.write([said(4, "late", trace=0, parent=0)], at=NOW)
    assert ask("late first") == [0]


def test_merged_runs_keep_what_both_said(traces, ask):
    traces.write([said(0, "left")], at=NOW)
    traces.write([said(1, "right")], at=NOW)
    assert ask("left") == [0]
    assert ask("right") == [1]
    traces.write([
        said(2, "joint", trace=0, links=("conversation:1",)), said(3, "joint", trace=1, links=("conversation:1",)),
    ], at=NOW)  # fmt: skip
    assert len(ask("left right joint")) == 1


def test_what_is_forgotten_is_found_no_more(traces, ask):
    traces.write([said(0, "secret one"), said(1, "secret two")], at=NOW)
    assert ask("secret") == [0, 1]
    runs = {int(run.run, 16) - 1: run.run for run in traces.runs(parse_query(""), now=NOW).runs}
    traces.forget_texts([runs[0], "nobody"])
    assert ask("secret", index=False) == [1]
    assert ask("two", index=False) == [1]
    traces.write([said(5, "new", trace=0)], at=NOW)
    assert ask("new one") == [0]


def test_how_far_the_index_is(traces, ask):
    assert traces.indexed().behind == 0
    traces.write([said(0, "x"), said(1, "y")], at=NOW)
    assert (traces.indexed().runs, traces.indexed().behind) == (2, 2)
    ask("x")
    assert traces.indexed().behind == 0
    assert traces.indexed().revision == traces.changes(-1)[0].cursor


@pytest.mark.parametrize(
    "text",
    ['"', "'", '"a"" OR b"', "a AND b", "NEAR(a b)", "a^2", "a:b)", "(", "{x}", "*", "***", "a* b*", "\x00", "-", "+a",
     '"a\\"b"',
     "\ud800", "·aaaaaaaaaa", "text_1", "日本", "attr.:x", "attr.a:\"'\"", "score.a:'"],
)  # fmt: skip
def test_no_question_is_syntax(traces, ask, text):
    traces.write([said(0, "plain words AND more, NEAR 日本語 a b")], at=NOW)
    ask("plain")
    try:
        query = parse_query(text)
    except BadInput:
        return
    traces.runs(query, now=NOW)
    traces.spend("agent", query, now=NOW)


def test_languages_without_spaces_are_found_by_their_characters(traces, ask):
    traces.write([said(0, "返金してください"), said(1, "返品と入金")], at=NOW)
    assert ask("返金") == [0, 1]  # both characters are there
    assert ask('"返 金"') == [0]  # next to each other
