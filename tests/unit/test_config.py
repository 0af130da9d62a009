"""Settings: precedence, origins, and mistakes that are told with their place."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.config import Settings, load
from tallystick.config.keys import keys, read_value
from tallystick.config.sample import sample
from tallystick.config.settings import find_project_file
from tallystick.model.errors import ConfigError


def _project(folder: Path, text: str) -> Path:
    (folder / "tallystick.toml").write_text(text, encoding="utf-8")
    return folder


def _failure(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load({}, {}, _project(folder, text))
    return caught.value


def test_the_table_and_the_settings_have_the_same_names() -> None:
    names = [field.name for field in fields(Settings)]
    assert names == [*keys(), "origins", "project"]
    assert len(keys()) < 50


def test_every_key_is_explained_in_one_sentence() -> None:
    for key in keys().values():
        assert key.doc.endswith("."), key.name
        assert "\n" not in key.doc, key.name


def test_precedence_is_flag_environment_project_user_default(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".config" / "tallystick").mkdir(parents=True)
    (home / ".config" / "tallystick" / "config.toml").write_text(
        "port = 1\nhost = 'user'\nagent = 'user'\nserver='http://u'"
    )
    project = tmp_path / "project"
    project.mkdir()
    _project(project, "port = 2\nhost = 'project'\nagent = 'project'")
    env = {"HOME": str(home), "TALLYSTICK_PORT": "3", "TALLYSTICK_HOST": "environment"}
    settings = load({"port": "4", "agent": None}, env, project)
    assert (settings.port, settings.host, settings.agent, settings.server) == (
        4,
        "environment",
        "project",
        "http://u",
    )
    origins = settings.origins
    assert origins["port"] == "flag --port"
    assert origins["host"] == "TALLYSTICK_HOST"
    assert origins["agent"] == f"{project / 'tallystick.toml'}:3"
    assert origins["server"] == f"{home / '.config' / 'tallystick' / 'config.toml'}:4"
    assert origins["max_body_mb"] == "default"
    assert settings.project == project


def test_the_project_file_is_looked_for_upwards(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    _project(tmp_path, 'policies = "rules"\nstore = "/elsewhere"')
    assert find_project_file(below) == tmp_path / "tallystick.toml"
    settings = load({}, {}, below)
    assert settings.policies == tmp_path / "rules"
    assert settings.store == Path("/elsewhere")


def test_paths_are_relative_to_where_they_were_written(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    _project(tmp_path, 'store = "data"')
    assert load({}, {}, below).store == tmp_path / "data"
    assert load({}, {"TALLYSTICK_STORE": "data"}, below).store == below / "data"
    assert load({"store": "data"}, {}, below).store == below / "data"
    assert load({}, {}, below).policies == tmp_path / "policies"


def test_an_unknown_key_names_file_line_and_what_was_meant(tmp_path: Path) -> None:
    error = _failure(tmp_path, '# mine\nagent = "a"\n\nrun_budget = "1"\n')
    assert error.message.startswith(f"{tmp_path / 'tallystick.toml'}:4: there is no setting 'run_budget'")
    assert error.hint == "did you mean run_budget_usd?"
    assert (error.detail["file"], error.detail["line"]) == (str(tmp_path / "tallystick.toml"), 4)
    assert error.exit_code == 2


def test_an_unknown_table_is_an_unknown_key(tmp_path: Path) -> None:
    error = _failure(tmp_path, 'agent = "a"\n\n[server]\nport = 1\n')
    assert error.detail["line"] == 3
    error = _failure(tmp_path, "[sever.deep]\nport = 1\n")
    assert error.hint == "did you mean server?"
    assert error.detail["line"] == 1


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("port = 4777\nagent = refunds\n", 2, "not TOML"),
        ("port = 4777\nport = 1\n", 2, "not TOML"),
        ('agent = "', 1, "not TOML"),
        ("port = 70000\n", 1, "whole number from 0 to 65535"),
        ("port = true\n", 1, "whole number"),
        ("port = 4777.5\n", 1, "whole number"),
        ('\nserver = "localhost:4777"\n', 2, "http address"),
        ('server = "http://[::1"\n', 1, "http address"),
        ('policy_mode = "permisive"\n', 1, "not one of"),
        ('run_budget_usd = "lots"\n', 1, "amount of money"),
        ("run_budget_usd = nan\n", 1, "amount of money"),
        ("run_budget_usd = -1\n", 1, "below zero"),
        ("agent = 3\n", 1, "not a text"),
        ('agent = ""\n', 1, "not a text"),
        ('agent = "a\\u001bb"\n', 1, "control characters"),
        ("host = ['127.0.0.1']\n", 1, "not a text"),
        ('policies = "tallystick.toml"\n', 1, "is a file"),
        ('token = "abc"\n', 1, "secret"),
    ],
)
def test_a_mistake_in_the_project_file_has_a_place_and_a_hint(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    error = _failure(tmp_path, text)
    assert said in error.message
    assert f"tallystick.toml:{line}" in error.message
    assert error.detail["line"] == line
    assert error.hint


def test_a_file_that_is_no_text_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "tallystick.toml").write_bytes(b'agent = "a"\nhost = "\xff"\n')
    with pytest.raises(ConfigError, match=r"tallystick\.toml:2: not UTF-8"):
        load({}, {}, tmp_path)


def test_a_bad_value_is_told_even_where_a_flag_overrides_it(tmp_path: Path) -> None:
    _project(tmp_path, "port = 'x'")
    with pytest.raises(ConfigError):
        load({"port": "1"}, {}, tmp_path)


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TALLYSTICK_PORT"):
        load({}, {"TALLYSTICK_PORT": "http"}, tmp_path)
    assert load({}, {"TALLYSTICK_PORT": "  "}, tmp_path).port == 4777


def test_money_is_exact(tmp_path: Path) -> None:
    assert load({}, {}, _project(tmp_path, 'run_budget_usd = "0.50"')).run_budget_nano == 500_000_000
    assert load({}, {}, _project(tmp_path, "run_budget_usd = 0.1")).run_budget_usd == Decimal("0.1")
    assert load({}, {"TALLYSTICK_RUN_BUDGET_USD": "$2"}, tmp_path).run_budget_nano == 2_000_000_000
    assert load({}, {}, tmp_path / "..").run_budget_nano is None


WITNESS = "witness.example.org+dfa1b1d7+BNwDAlDHAAQlTQ/gkLZcW1LIPgP35oLgWshpZdXjlEh0"
LOG = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_lists_are_read_from_files_and_from_the_environment(tmp_path: Path) -> None:
    assert load({}, {}, tmp_path).checkpoint_export == ()
    project = _project(
        tmp_path,
        'checkpoint_export = ["file:notes.txt", "git:/repo", "https://x.example/c?key=1"]\n'
        f'witnesses = ["{WITNESS} http://w/ outside"]',
    )
    settings = load({}, {}, project)
    assert settings.checkpoint_export == (
        f"file:{tmp_path}/notes.txt",
        "git:/repo",
        "https://x.example/c?key=1",
    )
    assert settings.witnesses == (f"{WITNESS} http://w outside",)
    below = tmp_path / "below"
    below.mkdir()
    env = {
        "TALLYSTICK_CHECKPOINT_EXPORT": "file:a, git:b",
        "TALLYSTICK_WITNESSES": f"{WITNESS} https://w.example/x",
    }
    settings = load({}, env, below)
    assert settings.checkpoint_export == (f"file:{below}/a", f"git:{below}/b")
    assert settings.witnesses == (f"{WITNESS} https://w.example/x",)
    shown = {row["key"]: row["value"] for row in settings.as_json()}
    assert shown["witnesses"] == [f"{WITNESS} https://w.example/x"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("checkpoint_export = 3", "is not a list"),
        ("checkpoint_export = [3]", "not a text"),
        ('checkpoint_export = ["ftp://x"]', "no place for checkpoints"),
        ('checkpoint_export = ["file:"]', "no place for checkpoints"),
        ('checkpoint_export = ["https://user:secret@x"]', "user name or password"),
        ('checkpoint_export = ["file:a", "file:./a/../a"]', ""),
        ('checkpoint_export = ["file:a", "file:a"]', "twice"),
        (f'witnesses = ["{WITNESS}"]', "is no witness"),
        (f'witnesses = ["{WITNESS} http://w inside"]', "is no witness"),
        (f'witnesses = ["{WITNESS} w.example"]', "not an http address"),
        (f'witnesses = ["{LOG} http://w"]', "not a witness's key"),
        (f'witnesses = ["{WITNESS[:-1]}Q http://w"]', "key"),
    ],
)
def test_a_mistake_in_a_list_is_told_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    if not said:
        load({}, {}, _project(tmp_path, line))  # two ways to write a place are two places
        return
    error = _failure(tmp_path, f"# mine\n{line}\n")
    assert said in error.message
    assert error.detail["line"] == 2


def test_a_secret_comes_from_environment_or_file_and_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not taken from the command line") as caught:
        load({"token": "s3cret"}, {}, tmp_path)
    assert "s3cret" not in caught.value.message
    (tmp_path / "token").write_text("s3cret\nrest")
    _project(tmp_path, 'token_file = "token"')
    settings = load({}, {}, tmp_path)
    assert settings.token == "s3cret"
    assert settings.origins["token"] == f"token_file {tmp_path / 'token'}"
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.as_json())
    assert load({}, {"TALLYSTICK_TOKEN": "other"}, tmp_path).token == "other"


def test_a_token_file_that_is_missing_or_empty_is_an_error(tmp_path: Path) -> None:
    _project(tmp_path, 'token_file = "token"')
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, {}, tmp_path)
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        load({}, {}, tmp_path)


def test_a_bad_secret_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, {"TALLYSTICK_TOKEN": "s3\x00cret"}, tmp_path)
    assert "cret" not in str(caught.value.as_json())


def test_an_unknown_flag_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no setting 'prot'"):
        load({"prot": "1"}, {}, tmp_path)


def test_the_sample_reads_as_defaults_and_uncommented_too(tmp_path: Path) -> None:
    settings = load({}, {}, _project(tmp_path, sample()))
    assert set(settings.origins.values()) == {"default"}
    bare = "\n".join(line.removeprefix("# ") for line in sample().splitlines() if " = " in line)
    bare = bare.replace('token_file = "/etc/tallystick/token"\n', "")
    settings = load({}, {}, _project(tmp_path, bare))
    assert settings.agent == "refunds"
    assert settings.run_budget_nano == 500_000_000
    assert load({}, {}, _project(tmp_path, sample(agent='odd "name"\\'))).agent == 'odd "name"\\'


@given(
    raw=st.one_of(
        st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()), st.binary()
    )
)
def test_no_value_whatever_escapes_as_anything_but_a_config_error(raw: object) -> None:
    for key in keys().values():
        with suppress(ConfigError):
            read_value(key, raw, folder=Path("/nowhere"), where={"origin": "test"})
