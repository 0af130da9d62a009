"""Files of a project that cannot be taken: each mistake with its place and what to do, and never a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallystick.adapters.project import open_book, read_project
from tallystick.model.control import PolicyState
from tallystick.model.errors import BadInput, ConfigError
from tallystick.model.registry import Declared, Lifecycle
from tallystick.registry.tool_files import tool_of

AGENT = 'name = "desk"\nversion = "1"\n'
TOOL = 'name = "refund"\neffect = "write"\n'
DATA = 'name = "orders"\nclasses = ["customer_pii"]\n'
KEY = "sk-" + "a" * 24


def lay_out(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


CASES: list[tuple[dict[str, str | bytes], str, int, str, str]] = [
    ({"agents/a.toml": AGENT + "owner = 5\n"}, "agents/a.toml", 3, "owner is text", "write owner"),
    ({"agents/a.toml": AGENT + 'owner = " "\n'}, "agents/a.toml", 3, "is nobody", "payments"),
    ({"agents/a.toml": 'name = ""\n'}, "agents/a.toml", 1, "name is empty", "1 to 128"),
    ({"agents/a.toml": f'name = "{"x" * 129}"\n'}, "agents/a.toml", 1, "is not a name", "1 to 128"),
    ({"agents/a.toml": 'name = "a\\u202Eb"\n'}, "agents/a.toml", 1, "\\u202eb' is not a name", "unseen"),
    ({"agents/a.toml": 'name = "a\\u200Bb"\n'}, "agents/a.toml", 1, "\\u200bb' is not a name", "unseen"),
    ({"agents/a.toml": AGENT + 'tools = ["a\\u001B[2J"]\n'}, "agents/a.toml", 3, "\\x1b[2J' is not a name", "unseen"),
    ({"agents/a.toml": 'name = "a"\nversion = "1 0"\n'}, "agents/a.toml", 2, "'1 0' is not a name", "64"),
    ({"agents/a.toml": AGENT + 'purpose = "x\\u202Ey"\n'}, "agents/a.toml", 3, "not seen", "take it out"),
    ({"agents/a.toml": AGENT + f'purpose = "{"x" * 5000}"\n'}, "agents/a.toml", 3, "5,000 characters", "at most"),
    ({"agents/a.toml": AGENT + 'autonomy = "act"\n'}, "agents/a.toml", 3, "not an autonomy", "'acts'"),
    ({"agents/a.toml": AGENT + 'lifecycle = "gone"\n'}, "agents/a.toml", 3, "not a lifecycle", "retired"),
    ({"agents/a.toml": AGENT + 'prompts = "x"\n'}, "agents/a.toml", 3, "list of texts", '["…"]'),
    ({"agents/a.toml": AGENT + 'links = "x"\n'}, "agents/a.toml", 3, "links is a table", "repository"),
    ({"agents/a.toml": AGENT + '[links]\nx = "javascript:alert(1)"\n'}, "agents/a.toml", 4, "no", "https"),
    ({"agents/a.toml": AGENT + '[links]\nx = "https://u:p@h/x"\n'}, "agents/a.toml", 4, "password", "leave it out"),
    ({"agents/a.toml": AGENT + 'tools = ["refnd"]\n', "tools/r.toml": TOOL}, "agents/a.toml", 3, "'refnd'", "'refund'"),
    ({"agents/a.toml": AGENT + 'prompts = ["p"]\n'}, "agents/a.toml", 3, "prompt 'p'", "prompts/p.md"),
    ({"agents/a.toml": AGENT + 'delegates = ["p"]\n'}, "agents/a.toml", 3, "agent 'p'", "agents/p.toml"),
    ({"agents/a.toml": AGENT + 'suites = ["p"]\n'}, "agents/a.toml", 3, "suite 'p'", "evals/p.jsonl"),
    ({"tools/t.toml": TOOL + 'sources = ["ordrs"]\n', "data/o.toml": DATA}, "tools/t.toml", 3, "'ordrs'", "'orders'"),
    ({"tools/t.toml": TOOL + "input = 5\n"}, "tools/t.toml", 3, "input is a table", "[input]"),
    ({"tools/t.toml": TOOL + "[input]\nx = 1979-05-27\n"}, "tools/t.toml", 3, "JSON cannot", "as text"),
    ({"tools/t.toml": TOOL + "[output]\nx = nan\n"}, "tools/t.toml", 3, "JSON cannot", "as text"),
    ({"tools/t.toml": TOOL + f'[input]\nx = "{"y" * 50_000}"\n'}, "tools/t.toml", 1, "bytes", "split"),
    ({"tools/t.toml": TOOL + f'description = "{KEY}"\n'}, "tools/t.toml", 3, "credential", "replace that key"),
    ({"policies/p.cedar": f"// a\n// {KEY}\n"}, "policies/p.cedar", 2, "credential", "replace that key"),
    ({"data/d.toml": 'name = "orders"\n'}, "data/d.toml", 1, "what classes", "customer_pii"),
    ({"data/d.toml": DATA + "clases = []\n"}, "data/d.toml", 3, "no key 'clases'", "'classes'"),
    ({"data/d.toml": DATA + 'location = "pg://u:pw@db/x"\n'}, "data/d.toml", 3, "password", "leave it out"),
    ({"prompts/a.md": " \n"}, "prompts/a.md", 1, "empty", "take the file away"),
    ({"prompts/a.md": "x" * 200_001}, "prompts/a.md", 1, "200,001 bytes", "200,000"),
    ({"prompts/a.md": f"one\n{KEY}\n"}, "prompts/a.md", 2, "credential", "replace that key"),
    ({"prompts/a\u202e.md": "x"}, "prompts/a\u202e.md", 1, "not the name of a prompt", "rename"),
    ({"prompts/a.md": "x", "prompts/a.txt": "y"}, "prompts/a.txt", 1, "declared in prompts/a.md", "another name"),
    ({"prompts/a.md": b"one\n\xff"}, "prompts/a.md", 2, "not UTF-8", "UTF-8"),
    ({"evals/s.jsonl": '{"a": 1}\n{\n'}, "evals/s.jsonl", 2, "not JSON", "one case"),
    ({"evals/s.jsonl": "\n[1]\n"}, "evals/s.jsonl", 2, "a case is a JSON object", "input"),
    ({"evals/s.jsonl": "[" * 100_000}, "evals/s.jsonl", 1, "not JSON", "one case"),
    ({"evals/s.jsonl": '{"x": ' + "9" * 5_000 + "}"}, "evals/s.jsonl", 1, "not JSON", "one case"),
    ({"evals/s.jsonl": '{"agent": "a b"}'}, "evals/s.jsonl", 1, "not the name of an agent", "agent"),
    ({"agents/a.toml": "x = [" * 5_000}, "agents/a.toml", 1, "not TOML", "key ="),
    ({"agents/a.toml": b"#" * 1_000_001}, "agents/a.toml", 1, "larger than", "split"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "file", "line", "message", "hint"), CASES)
def test_a_mistake_has_its_place_and_a_way_out(
    tmp_path: Path, files: dict[str, str | bytes], file: str, line: int, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_project(lay_out(tmp_path, files))
    error = caught.value
    assert (error.detail["file"], error.detail["line"]) == (file, line)
    assert message in error.message
    assert hint in (error.hint or "")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "agents/a.toml": "name = 1\n", "tools/t.toml": 'name = "t"\n', "data/d.toml": "x = [\n", "prompts/p.md": "",
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        read_project(lay_out(tmp_path, files))
    told = [one["file"] for one in caught.value.detail["problems"]]
    assert sorted(told) == sorted(files)


def test_two_files_with_one_version_and_other_content(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"agents/a.toml": AGENT, "agents/b.toml": AGENT + 'workflow = "x"\n'}
    with pytest.raises(ConfigError) as caught:
        read_project(lay_out(tmp_path, files))
    assert (
        "desk 1 is declared in agents/a.toml already, with another content (workflow)" in caught.value.message
    )


@pytest.mark.parametrize(
    ("edges", "way"),
    [
        ({"a": ["a"]}, "a → a"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a → b → c → a"),
        ({"x": ["a"], "a": ["b"], "b": ["a"]}, "a → b → a"),
    ],
)
def test_agents_that_delegate_in_a_circle(tmp_path: Path, edges: dict[str, list[str]], way: str) -> None:
    for name, delegates in edges.items():
        lay_out(tmp_path, {f"agents/{name}.toml": f'name = "{name}"\ndelegates = {delegates}\n'})
    with pytest.raises(ConfigError) as caught:
        read_project(tmp_path)
    assert way in caught.value.message
    assert caught.value.detail["line"] == 2


def test_a_circle_may_lead_through_the_registry(tmp_path: Path) -> None:
    lay_out(tmp_path, {"agents/a.toml": 'name = "a"\ndelegates = ["b"]\n'})
    known = [Declared("agent", "b", "d", None, {"delegates": ["a"]})]
    with pytest.raises(ConfigError, match="a → b → a"):
        read_project(tmp_path, known=known)
    long = {
        f"n{n}": Declared("agent", f"n{n}", "d", None, {"delegates": [f"n{n + 1}"]}) for n in range(5_000)
    }
    known = [*long.values(), Declared("agent", "n5000", "d"), Declared("agent", "b", "d")]
    assert read_project(tmp_path, known=known).agents[0].delegates == ("b",)


def test_what_the_registry_has_may_be_named_and_what_it_retired_may_not(tmp_path: Path) -> None:
    lay_out(tmp_path, {"agents/a.toml": AGENT + 'tools = ["lookup"]\n'})
    lookup = Declared("tool", "lookup", "d", None, {"effect": "read"})
    assert read_project(tmp_path, known=[lookup]).agents[0].tools == ("lookup",)
    with pytest.raises(ConfigError, match="nobody declares"):
        read_project(tmp_path, known=[Declared("tool", "lookup", "d", retired=True)])


def test_links_that_lead_out_and_what_is_no_file(tmp_path: Path) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text(AGENT)
    project = lay_out(tmp_path / "project", {"agents/real.toml": AGENT})
    for name, make in (
        ("out.toml", lambda path: path.symlink_to(outside)),
        ("gone.toml", lambda path: path.symlink_to(tmp_path / "nowhere")),
        ("loop.toml", lambda path: path.symlink_to(path)),
        ("folder.toml", Path.mkdir),
        ("pipe.toml", os.mkfifo),
    ):
        path = project / "agents" / name
        make(path)
        with pytest.raises(ConfigError) as caught:
            read_project(project)
        assert caught.value.detail["file"] == f"agents/{name}"
        path.rmdir() if path.is_dir() else path.unlink()
    (project / "prompts").mkdir()
    (project / "prompts" / "far").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="link to a folder"):
        read_project(project)


def test_a_folder_that_is_a_file_is_not_an_empty_one(tmp_path: Path) -> None:
    lay_out(tmp_path, {"agents": "x"})
    with pytest.raises(ConfigError, match="agents cannot be read"):
        read_project(tmp_path)


def test_a_link_inside_the_project_is_followed(tmp_path: Path) -> None:
    project = lay_out(tmp_path, {"shared/desk.toml": AGENT, "agents/x": ""})
    (project / "agents" / "desk.toml").symlink_to(project / "shared" / "desk.toml")
    assert read_project(project).agents[0].name == "desk"


def test_prompts_policies_and_suites_become_objects(tmp_path: Path) -> None:
    project = lay_out(tmp_path, {
        "prompts/desk/case.md": "Be kind.\r\n", "prompts/notes.rst": "no prompt", "policies/r.cedar": "// r\n",
        "policies/r.test.toml": "x", "evals/s.jsonl": '{"agent": "a"}\n\n{"agent": ["b", "a"]}\n',
    })  # fmt: skip
    found = {(one.declared.type, one.declared.name): one for one in read_project(project).found.wanted()}
    assert sorted(found) == [("policy", "r"), ("prompt", "desk/case"), ("suite", "s")]
    prompt = found["prompt", "desk/case"]
    assert list(prompt.texts.values()) == ["Be kind.\n"]
    assert prompt.declared.body == {"text": next(iter(prompt.texts)), "file": "prompts/desk/case.md"}
    suite = found["suite", "s"].declared.body
    assert (suite["cases"], suite["agents"]) == (2, ["a", "b"])
    assert found["policy", "r"].declared.body["scope"] is None


def test_the_guard_knows_what_a_tool_reaches_and_is_not_stopped_by_a_prompt(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "tools/t.toml": TOOL + 'data = ["payment"]\nsources = ["orders", "mail"]\n', "data/o.toml": DATA,
        "prompts/p.md": "", "policies/r.cedar": 'permit (principal, action == Action::"refund", resource);',
    }  # fmt: skip
    book = open_book(lay_out(tmp_path, files), sources={"mail": ["customer_pii", "secret"]})
    assert book.policies.state is PolicyState.ENFORCED
    assert book.policies.tools["refund"].data == ("payment", "customer_pii", "secret")
    failed = open_book(tmp_path).policies
    assert failed.state is PolicyState.LOAD_FAILED
    assert "'mail'" in str(failed.problem)
    tool = Declared("tool", "t", "d", None, {"effect": "read", "sources": ["mail"]})
    assert tool_of(tool, {"mail": ["secret"]}).data == ("secret",)
    with pytest.raises(BadInput, match="'mail'"):
        tool_of(tool)


def test_what_stands_on_the_card_is_no_part_of_the_version(tmp_path: Path) -> None:
    lay_out(tmp_path, {"agents/a.toml": AGENT})
    first = read_project(tmp_path).agents[0].declared()
    card = (
        'owner = "x"\npurpose = "y"\nlifecycle = "retired"\n[links]\nrun-book = "https://w.example/a?b=1"\n'
    )
    lay_out(tmp_path, {"agents/a.toml": AGENT + card})
    second = read_project(tmp_path).agents[0].declared()
    assert (second.digest, second.body) == (first.digest, first.body)
    assert (second.retired, second.card.lifecycle) == (True, Lifecycle.RETIRED)
    assert second.card.links == {"run-book": "https://w.example/a?b=1"}
    assert second.card.origin == f"apply:{tmp_path.name}"
