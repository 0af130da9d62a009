"""Write the reference pages from the code, so that they cannot drift: ``make docs``.

``python docs/generate.py --check`` writes nothing and fails when a page is not what the code says.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from tallystick.adapters.parquet.export import TEXTS
from tallystick.cli.help import EXIT_CODES, error_tree
from tallystick.cli.root import root
from tallystick.config.sample import settings_page
from tallystick.model import journal
from tallystick.ports.archive import ARCHIVE_COLUMNS

DOCS = Path(__file__).resolve().parent
CONTROLS = DOCS.parent / "tallystick" / "proof" / "controls.toml"
REFERENCE = DOCS / "reference"
FIELDS = DOCS / "fields.toml"
REGISTRY_SHAPES = (
    "match",
    "thing", "version", "alias", "use", "difference", "definition", "access", "grant", "signals",
    "planned", "diff", "contrast",
)  # fmt: skip
_MADE = "<!-- Made by docs/generate.py; change the code, then run `make docs`. -->\n\n"


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    made = {
        "cli.md": cli_page(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "json.md": json_page(),
        "journal.md": journal_page(),
        "controls.md": controls_page(),
        "archive.md": archive_page(),
    }
    return {REFERENCE / name: _MADE + text for name, text in made.items()}


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    """Every command of the tree that can be called, with its context."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, click.Context(child, info_name=name, parent=context))
    else:
        yield context, command


def cli_page() -> str:
    """The command line: each command with its help and options."""
    lines = [
        "# Command line", "",
        "`tally` and `tallystick` are the same command. Data goes to stdout, talk to stderr. In a terminal a list is a",
        "table; in a pipe it is tab-separated lines with one header line (tabs and newlines in a value are written",
        "`\\t` and `\\n`); with `--json` it is one JSON document (see [json.md](json.md)). Colour is off where",
        "`NO_COLOR` is set. Control characters and bidi marks in what agents wrote are shown as what they are, never",
        "sent to the terminal. A RUN or an approval may be given by any prefix of its id that only it has.", "",
        "Exit codes: " + "; ".join(f"**{code}** {meaning}" for code, meaning in EXIT_CODES.items()) + ".", "",
        "An error is a message and a hint on stderr, or with `--json` the shape in [errors.md](errors.md).", "",
    ]  # fmt: skip
    top = click.Context(root, info_name="tally")
    for context, command in commands(root, top):
        text = [line.strip() for line in (command.help or "").strip().splitlines()]
        usage = command.get_usage(context).removeprefix("Usage: ")
        lines += [f"## {context.command_path}", "", "```", " ".join(usage.split()), "```", "", *text, ""]
        rows = [_option(parameter) for parameter in command.params if isinstance(parameter, click.Option)]
        rows = [row for row in rows if row]
        lines += ["| option | |", "|---|---|", *rows, ""] if rows else []
    return "\n".join(lines).rstrip() + "\n"


def _option(option: click.Option) -> str:
    if option.name in ("store", "as_json"):
        return ""  # every command has these two; the page says so at the top
    names = ", ".join(option.opts)
    said = option.help or ""
    if isinstance(option.type, click.Choice):
        said += f" One of: {', '.join(option.type.choices)}."
    if option.show_default and option.default is not None:
        said += f" Default: {option.default}."
    return f"| `{names}` | {said} |".replace("\n", " ")


def errors_page() -> str:
    """Errors: code, exit code, status and meaning."""
    lines = [
        "# Errors", "",
        "Every error has a code that programs may rely on, a message, and a hint that says what to do next. With",
        "`--json` (on stderr) and over HTTP its shape is", "",
        "```json", '{"error": {"code": "input.unknown", "message": "…", "hint": "…", "detail": {}}}', "```", "",
        "`detail` holds facts for programs: the file and line of a mistake, the scope and limit of a budget.", "",
        "| code | exit | HTTP | meaning |", "|---|---|---|---|",
    ]  # fmt: skip
    for depth, error in error_tree():
        meaning = " ".join((error.__doc__ or "").split())
        lines.append(
            f"| {'· ' * depth}`{error.code}` | {error.exit_code} | {error.http_status} | {meaning} |"
        )
    lines += [
        "",
        "Anything else that escapes is a bug in Tallystick: it exits with 1 and asks to be reported.",
    ]
    return "\n".join(lines) + "\n"


def shapes() -> Mapping[str, Mapping[str, Any]]:
    """One example of each JSON shape, made by the code that makes the real ones."""
    from tallystick.app.reading.shapes import approval_json, run_json, step_json, totals_json
    from tallystick.model.control import Approval, ApprovalState
    from tallystick.model.run import Completeness, Run, RunStatus
    from tallystick.model.span import Source, Span
    from tallystick.model.step import Kind, Step, StepStatus
    from tallystick.observe.contents import read_contents

    run = Run("r", None, None, None, RunStatus.OK, Completeness.COMPLETE, None, 0, 0, 0, 0, 0)
    span = Span("t" * 32, "s" * 16, None, "n", 0, None, Source())
    step = Step(span.trace, span.span, None, None, Kind.OTHER, "n", StepStatus.OK, 0, None, "", "")
    approval = Approval("a", ApprovalState.WAITING, "d", "r", "a", "t", {}, "b", "g", None, 0, 0)
    return {
        "run": run_json(run), "step": step_json(step, read_contents(step, span)), "totals": totals_json(run),
        "approval": approval_json(approval),
    }  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def fields() -> Mapping[str, Mapping[str, str]]:
    """What each field of each shape means."""
    return tomllib.loads(FIELDS.read_text("utf-8"))


def json_page() -> str:
    """The JSON shapes and the commands that give them."""
    told = fields()
    lines = [
        "# JSON", "",
        "What `--json` prints is stable: fields are added, never renamed or reused. **Unknown is `null`, never 0.**",
        "Money is a whole number of nano-dollars (1,000,000,000 is one US dollar), durations are nanoseconds, times",
        "are RFC 3339 text in UTC with microseconds. The JSON API gives the same shapes.", "",
        "## Commands", "", "| command | document |", "|---|---|",
        *(f"| `tally {_cell(command)}` | `{_cell(document)}` |" for command, document in told["commands"].items()), "",
    ]  # fmt: skip
    documented = {**{name: list(shape) for name, shape in shapes().items()},
                  **{name: list(told[name]) for name in REGISTRY_SHAPES},
                  **{name: list(told[name]) for name in ("person", "token", "delegation", "did")},
                  "budget": list(told["budget"]), "cost": list(told["cost"]),
                  **{name: list(told[name]) for name in ("wholeness", "loss", "tried", "change_of_answer", "switch")},
                  "entry": list(told["entry"])}  # fmt: skip
    for name, keys in documented.items():
        lines += [f"## {name}", "", told["shapes"][name], "", "| field | |", "|---|---|"]
        said = {**told["run"], **told[name]} if name == "totals" else told[name]
        lines += [f"| `{key}` | {said[key]} |" for key in keys]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def kinds() -> Mapping[str, tuple[str, list[str]]]:
    """Every kind of journal entry with its body and notes, out of the table in tallystick/model/journal.py."""
    table = (journal.__doc__ or "").split("=====\n")[2].split("\n====")[0]
    found: dict[str, tuple[list[str], list[str]]] = {}
    body: list[str] = []
    notes: list[str] = []
    for line in table.splitlines():
        if not line.startswith(" "):
            name, _, line = line.partition(" ")
            body, notes = found.setdefault(name, ([], []))
        text = line.strip()
        if text.startswith("("):
            notes.append(text[1:-1])
            continue
        fields_part, note = re.fullmatch(r"(.*?)(?:\s{2,}\((.*)\))?", text).groups()  # type: ignore[union-attr]
        body.append(fields_part)
        notes += [note] if note else []
    return {name: (" ".join(parts), told) for name, (parts, told) in found.items()}


def journal_page() -> str:
    """The kinds of journal entries: what each records, and the fields of its body."""
    said = fields()["kinds"]
    lines = [
        "# Journal entries", "",
        "The journal is the append-only record of everything that decides or changes something. `tally journal ls`",
        "lists it; every entry is a leaf of the Merkle tree in [proof-format.md](proof-format.md), which has the exact",
        "bytes. Beside its body an entry has `seq` (its number), `id`, `at`, `kind`, `subject`, `run`, `nth` (its",
        "number among the entries of its run) and `actor`.", "",
        "«x» is a content: in the journal a salted commitment stands in its place, and what opens it is kept apart.",
        "Times in bodies are nanoseconds since 1970 as text, money is integer nano-dollars, digests are SHA-256 in",
        "hex.", "",
        "| kind | records | body |", "|---|---|---|",
    ]  # fmt: skip
    for name, (body, notes) in kinds().items():
        told = "".join(f"<br>{_cell(note)}" for note in notes)
        lines.append(f"| `{name}` | {said[name]} | {_cell(body)}{told} |")
    lines += ["", "Which entries answer which rule is in [controls.md](controls.md)."]
    return "\n".join(lines) + "\n"


def controls() -> Mapping[str, Mapping[str, Any]]:
    """The table of rules: section, then title, note, source and rows."""
    return tomllib.loads(CONTROLS.read_text("utf-8"))


def controls_page() -> str:
    """Which records and commands answer which rule, and what is not covered."""
    lines = [
        "# Controls", "",
        "What Tallystick records for rules that auditors ask about, and what it does not. The rules are told in our",
        "own words; read them at their source. This page is no legal advice, and no list of entries makes a system",
        "compliant. Kinds of entries are explained in [journal.md](journal.md), commands in [cli.md](cli.md),",
        "settings in [settings.md](settings.md); what the journal proves and what it does not, in",
        "[proof](../explanation/proof.md).", "",
    ]  # fmt: skip
    for section in controls().values():
        lines += [f"## {section['title']}", "", f"{section['note']} Source: <{section['source']}>", ""]
        lines += ["| rule | asks | gives | evidence | not covered |", "|---|---|---|---|---|"]
        lines += [_control(row) for row in section["rows"]]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def archive_page() -> str:
    """The Parquet files of the archive: their columns."""
    rows = [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in ARCHIVE_COLUMNS.items()]
    more = [f"| `{name}` | VARCHAR | {text} |" for name, text in TEXTS.items()]
    return (
        "# Parquet files\n\n"
        "A segment of the archive is a folder `archive/DAY/NUMBER/` with three files. Times are nanoseconds since 1970"
        " (UTC), money is nano-dollars. An empty value is not known, never 0. Any reader of Parquet opens all three."
        "\n\n"
        "## steps.parquet\n\nA row a step, run by run.\n\n| column | type | says |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n| `position` | INTEGER | the row's place in the segment |"
        "\n| `row` | BIGINT | the step's number in the store |"
        "\n\nA row may be of a run that has moved on: `traces.db` says which runs are read from a segment.\n\n"
        "## spans.parquet\n\nThe same rows in the same order, for the store itself.\n\n"
        "| column | type | says |\n|---|---|---|\n| `row` | BIGINT | the step's number in the store |"
        "\n| `span` | BLOB | span id, 8 bytes |"
        "\n| `rest` | BLOB | what the store knows of the step, in its own encoding |"
        "\n| `body` | BLOB | its span, in the store's own encoding |\n\n"
        "## contents.parquet\n\nTexts longer than 256 bytes, each once a segment: messages, arguments, results."
        "\n\n| column | type | says |\n|---|---|---|\n| `position` | BIGINT | what spans name it by |"
        "\n| `content` | BLOB | the text in UTF-8, or a list of places in the store's own encoding |\n\n"
        "## How the store reads them\n\n"
        "`spans.parquet` and `contents.parquet` are made of small pages: columns that are never empty, plain values,"
        " each page a zstd frame with a checksum. The file's offset index says where each page lies, so that the steps"
        " of a run cost one or two pages of each column, without an engine. A segment that has no `spans.parquet` was"
        " written by an older Tallystick: `rest` and `body` are in its `steps.parquet`, and DuckDB reads it.\n\n"
        "## What `tally runs export --format parquet` writes\n\n"
        "One file with the readable columns above, and these.\n\n| column | type | says |\n|---|---|---|\n"
        + "\n".join(more)
        + "\n"
    )


def _control(row: Mapping[str, Any]) -> str:
    named = (("entries", row["kinds"]), ("commands", row["commands"]), ("settings", row["settings"]))
    evidence = [f"{what}: " + ", ".join(f"`{name}`" for name in names) for what, names in named if names]
    cells = (row["ref"], row["asks"], row["gives"], "<br>".join(evidence) or "none", row["gap"])
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def main() -> None:
    """Write the pages, or with --check compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a page is not current"
    )
    check = parser.parse_args().check
    stale = []
    for path, text in pages().items():
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    word = "not current" if check else "written"
    sys.stderr.write(f"{word}: {', '.join(stale) or 'nothing'}\n")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
