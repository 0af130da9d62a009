"""The sample ``tallystick.toml`` and the settings page, made from the table of keys."""

from __future__ import annotations

import textwrap

from tallystick.config.keys import Key, keys

_WITNESS = (
    "witness.example.org+dfa1b1d7+BNwDAlDHAAQlTQ/gkLZcW1LIPgP35oLgWshpZdXjlEh0"  # nobody has its private key
)
_EXAMPLES = {
    "policy_report_only": '["new.cedar"]',
    "keep_days": "365",
    "redact_fields": '["class:customer_pii=arguments.email"]',
    "redact_phone_country": '"DE"',
    "store": '".tallystick"',
    "server": '"http://127.0.0.1:4777"',
    "agent": '"refunds"',
    "token_file": '"/etc/tallystick/token"',
    "run_budget_usd": '"0.50"',
    "run_tool_calls": "500",
    "journal_key": '"/etc/tallystick/journal.key"',
    "journal_origin": '"example.com/agents"',
    "checkpoint_export": '["file:checkpoints.txt", "git:../checkpoints"]',
    "witnesses": f'["{_WITNESS} http://127.0.0.1:4779 outside"]',
}


def sample(*, agent: str | None = None) -> str:
    """A ``tallystick.toml`` with every key explained and commented out (but for ``agent``, when given)."""
    lines = [
        "# Settings of this project. Every line is optional; `tally config show --origin` says what is in force.",
        "# Flags and TALLYSTICK_* environment variables go before this file.",
        "",
    ]
    for key in keys().values():
        if key.secret:
            continue
        lines += textwrap.wrap(key.doc, 100, initial_indent="# ", subsequent_indent="# ")
        if key.name == "agent" and agent is not None:
            lines += [f"agent = {_quoted(agent)}", ""]
        else:
            lines += [f"# {key.name} = {_EXAMPLES.get(key.name) or _toml(key.default)}", ""]
    return "\n".join(lines[:-1]) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else _quoted(str(value))


def _shown(value: object) -> str:
    """A default as a page shows it: as it is written in the file, but for the quotation marks around one text."""
    return str(value) if isinstance(value, str) else _toml(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def allowed(key: Key) -> str:
    """What a value of this key may be, in words."""
    if key.type == "choice":
        return ", ".join(f"`{choice}`" for choice in key.choices)
    if key.type == "whole":
        return f"whole number, {key.least} to {key.most}"
    if key.type == "list":
        return "list of texts; in an environment variable separated by commas"
    return {"usd": "US dollars as text", "url": "http or https address"}.get(key.type, key.type)


def settings_page() -> str:
    """The reference page of settings, in Markdown."""
    lines = [
        "# Settings",
        "",
        "A setting is taken from the first place that has it: a flag, its environment variable, the nearest",
        "`tallystick.toml` upwards from the working folder, the user's own file",
        "(`~/.config/tallystick/config.toml`), its default. A key that does not exist is an error.",
        "`tally config show --origin` prints what is in force and where it came from.",
        "",
    ]
    for key in keys().values():
        default = "unset" if key.default is None else f"`{_shown(key.default)}`"
        secret = (
            " · secret: never shown, never a flag, not allowed in `tallystick.toml`" if key.secret else ""
        )
        lines += [
            f"## {key.name}",
            "",
            key.doc,
            "",
            f"{allowed(key)} · default {default} · `{key.env}`{secret}",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"
