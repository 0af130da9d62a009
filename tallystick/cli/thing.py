"""One object of the registry in a terminal: what it is, where it differs, its versions, who uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.cli.agent_signals import SIGNALS, signal_text
from tallystick.cli.clean import clean, one_line
from tallystick.cli.output import Column, Out
from tallystick.cli.wording import count, moment, money, short

_LISTS: Final = (
    "declaration", "versions", "aliases", "uses", "used_by", "definitions", "differences", "signals", "links",
    "classes",
)  # fmt: skip
_VERSIONS: Final = (
    Column("version", "version", width=20),
    Column("digest", "digest", lambda row: (short(row["digest"]), "")),
    Column("declared", "at", lambda row: (moment(row["at"]), "")),
    Column("by", "by", width=24),
    Column("because", "because", width=60),
)
_ALIASES: Final = (Column("alias", "alias", width=24), *_VERSIONS)
_USES: Final = (
    Column("agent", "agent", width=32),
    Column("uses", "type"),
    Column("name", "name", width=48),
    Column("runs", "runs", lambda row: (count(row["runs"]), ""), right=True),
    Column(
        "errors", "errors", lambda row: (count(row["errors"]), "red" if row["errors"] else ""), right=True
    ),
    Column("last", "last", lambda row: (moment(row["last"]), "")),
)
_MOST_USES: Final = 40
_WIDE: Final = 200


def show_thing(out: Out, thing: Mapping[str, Any]) -> None:
    """Print one object as JSON, or as facts followed by what belongs to it."""
    if out.as_json:
        out.json(dict(thing))
        return
    out.fields(_facts(thing, people=out.pretty))
    if thing.get("text") is not None and out.pretty:
        _section(out, "text")
        out.line(clean(str(thing["text"])).rstrip("\n"))
    for one in thing["differences"]:
        _section(out, "differs")
        where = f" (run {short(one['run'])})" if one["run"] else ""
        out.line(one_line(one["text"], _WIDE) + where, style="yellow")
    for one in thing["definitions"]:
        _section(out, "definition")
        _definition(out, one)
    _tables(out, thing)
    signals = thing["signals"]
    if signals:
        _section(out, "signals")
        names = {key: name for key, name, _ in SIGNALS} if out.pretty else {}
        out.fields(
            (names.get(key, key), signal_text(key, one))
            for key, one in signals.items()
            if isinstance(one, Mapping)
        )


def _facts(thing: Mapping[str, Any], *, people: bool) -> list[tuple[str, Any]]:
    """Names and values; for people costs in dollars, times to the second, and a text below, not among them."""
    rows = [(key, value) for key, value in thing.items() if value is not None and key not in _LISTS]
    if people:
        cost = money(thing.get("cost_nano_usd"), thing.get("cost_known_nano_usd"), thing.get("cost_gaps"))
        spent = [("cost", cost)] if thing.get("steps") else []
        rows = [
            (key, moment(str(value)) if key in ("first", "last") else value)
            for key, value in rows if not key.startswith("cost_") and key != "text"
        ] + spent  # fmt: skip
    rows += [(f"link {name}", address) for name, address in thing["links"].items()]
    if thing["classes"]:
        rows.append(("classes", ", ".join(thing["classes"])))
    return rows + [(f"declared {key}", value) for key, value in (thing["declaration"] or {}).items()]


def _tables(out: Out, thing: Mapping[str, Any]) -> None:
    for title, columns in (("versions", _VERSIONS), ("aliases", _ALIASES), ("uses", _USES)):
        rows = thing[title]
        if rows:
            _section(out, title)
            out.table(columns, rows[:_MOST_USES])
            if len(rows) > _MOST_USES:
                out.say(f"and {count(len(rows) - _MOST_USES)} more; --json has them all")
    if thing["used_by"]:
        _section(out, "used by")
        out.table((Column("type", "type"), Column("name", "name", width=48)), thing["used_by"][:_MOST_USES])


def _definition(out: Out, one: Mapping[str, Any]) -> None:
    differs = ", ".join(one["differs"])
    told = f"{one['channel']}: {one['trust']}, {one['why']}" + (f" ({differs})" if differs else "")
    out.line(one_line(told, _WIDE), style="yellow" if one["trust"] == "quarantined" else "")


def _section(out: Out, title: str) -> None:
    if out.pretty:
        out.line("")
        out.line(title, style="bold")
    else:
        out.line(f"# {title}")


def show_diff(out: Out, changes: Mapping[str, Any]) -> None:
    """Print what changed between two versions: texts as lines of a diff, other fields as before → after."""
    if out.as_json:
        out.json(dict(changes))
        return
    texts = {one["path"] for one in changes["texts"]}
    for one in changes["changes"]:
        if one["path"] not in texts:
            before, after = one_line(str(one["before"]), _WIDE), one_line(str(one["after"]), _WIDE)
            out.line(f"{one_line(one['path'], _WIDE)}: {before} → {after}")
    for text in changes["texts"]:
        _section(out, one_line(text["path"], _WIDE))
        for line in text["lines"]:
            style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
            out.line(
                line[:1] + one_line(line[1:], _WIDE) if line[:1] in "+- " else one_line(line, _WIDE),
                style=style,
            )
    if not changes["changes"]:
        out.say("nothing differs")
