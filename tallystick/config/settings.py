"""Settings: one value per key, and where each came from.

Precedence: flag > environment > nearest ``tallystick.toml`` upwards > the user's file > default. A file with a key
that does not exist is an error with the file, the line and the key that was probably meant; it is never ignored.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallystick.config.keys import Key, keys, nearest, read_value
from tallystick.model.errors import ConfigError
from tallystick.model.money import nano_from_usd

PROJECT_FILE = "tallystick.toml"
MASK = "••••••"
_AT_LINE = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its value; see ``keys.toml`` for what each means.

    ``origins`` says for each key where its value came from ("flag --port", "TALLYSTICK_PORT", a file with a line,
    "default"); ``project`` is the folder of the nearest ``tallystick.toml``, or None.
    """

    store: Path | None
    server: str | None
    agent: str | None
    host: str
    port: int
    otlp_port: int
    grpc_port: int
    token: str | None = field(repr=False)
    token_file: Path | None
    spool_limit_mb: int
    max_body_mb: int
    policies: Path
    policy_mode: str
    policy_pack: tuple[str, ...]
    policy_report_only: tuple[str, ...]
    tool_pins: str
    identity: str
    identity_depth: int
    identity_after_third_party: tuple[str, ...]
    run_budget_usd: Decimal | None
    run_tool_calls: int | None
    approval_timeout_s: int
    crash_after_s: int
    capture_content: str
    telemetry_fail: str
    journal_key: Path | None
    journal_origin: str | None
    checkpoint_every_s: int
    checkpoint_export: tuple[str, ...]
    witnesses: tuple[str, ...]
    gated_aliases: tuple[str, ...]
    hot_days: int
    keep_days: int | None
    retention: tuple[str, ...]
    redact: tuple[str, ...]
    redact_fields: tuple[str, ...]
    redact_phone_country: str | None
    blob_limit_mb: int
    payloads: str
    origins: Mapping[str, str]
    project: Path | None

    @property
    def run_budget_nano(self) -> int | None:
        """The hard budget of every run in nano-dollars, or None for no limit."""
        return None if self.run_budget_usd is None else nano_from_usd(self.run_budget_usd)

    def as_json(self) -> list[dict[str, Any]]:
        """One row per key: ``{"key", "value", "origin", "secret"}``; secrets are masked, unset is null."""
        rows = []
        for key in keys().values():
            value = getattr(self, key.name)
            if value is not None and key.secret:
                value = MASK
            elif isinstance(value, Path | Decimal):
                value = str(value)
            elif isinstance(value, tuple):
                value = list(value)
            rows.append(
                {"key": key.name, "value": value, "origin": self.origins[key.name], "secret": key.secret}
            )
        return rows


@dataclass(frozen=True, slots=True)
class _Found:
    """A raw value, the folder its paths are relative to, and where it was found."""

    raw: Any
    folder: Path
    where: Mapping[str, Any]


def load(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> Settings:
    """Read all settings.

    ``flags`` holds what the command line gave (None means not given), ``env`` the environment, ``cwd`` the folder
    from which ``tallystick.toml`` is looked for upwards. Raises ConfigError for any unknown key or bad value,
    also for one that a stronger origin overrides: a mistake is told when it is made.
    """
    cwd = cwd.resolve()
    project_file = find_project_file(cwd)
    layers = [_from_flags(flags, cwd), _from_env(env, cwd)]
    if project_file is not None:
        layers.append(_from_file(project_file, project=True))
    mine = user_file(env)
    if mine is not None and mine.is_file():
        layers.append(_from_file(mine, project=False))
    base = project_file.parent if project_file is not None else cwd
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key in keys().values():
        found = [layer[key.name] for layer in layers if key.name in layer]
        read = [read_value(key, item.raw, folder=item.folder, where=item.where) for item in found]
        if read:
            values[key.name], origins[key.name] = read[0], _origin(found[0].where)
        else:
            values[key.name], origins[key.name] = _default(key, base), "default"
    _token_from_file(values, origins)
    return Settings(**values, origins=origins, project=base if project_file is not None else None)


def _default(key: Key, base: Path) -> Any:
    if key.default is None:
        return () if key.type == "list" else None
    return read_value(key, key.default, folder=base, where={})


def find_project_file(cwd: Path) -> Path | None:
    """The nearest ``tallystick.toml`` in ``cwd`` or a folder above it."""
    for folder in (cwd, *cwd.parents):
        candidate = folder / PROJECT_FILE
        if candidate.is_file():
            return candidate
    return None


def user_file(env: Mapping[str, str]) -> Path | None:
    """The user's own settings file (it may not exist), or None when there is no home folder."""
    if env.get("XDG_CONFIG_HOME"):
        return Path(env["XDG_CONFIG_HOME"]) / "tallystick" / "config.toml"
    if env.get("HOME"):
        return Path(env["HOME"]) / ".config" / "tallystick" / "config.toml"
    return None


def _from_flags(flags: Mapping[str, Any], cwd: Path) -> dict[str, _Found]:
    found = {}
    for name, raw in flags.items():
        key = keys().get(name)
        if key is None:
            raise ConfigError(f"there is no setting {name!r}", hint=_meant(name), key=name)
        if raw is None:
            continue
        if key.secret:
            raise ConfigError(
                f"{name} is a secret and is not taken from the command line",
                hint=f"set {key.env}, or put it in a file and name that in token_file", key=name,
            )  # fmt: skip
        found[name] = _Found(raw, cwd, {"origin": f"flag --{name.replace('_', '-')}"})
    return found


def _from_env(env: Mapping[str, str], cwd: Path) -> dict[str, _Found]:
    # An empty variable counts as unset: that is how a shell or a compose file blanks one out.
    return {
        key.name: _Found(env[key.env], cwd, {"origin": key.env})
        for key in keys().values()
        if env.get(key.env, "").strip()
    }


def _from_file(path: Path, *, project: bool) -> dict[str, _Found]:
    text, table = read_toml(path)
    found = {}
    for name, raw in table.items():
        line = line_of(text, name)
        where = {"file": str(path), "line": line}
        key = keys().get(name)
        if key is None:
            raise ConfigError(
                f"{path}:{line}: there is no setting {name!r}", hint=_meant(name), key=name, **where
            )
        if key.secret and project:
            raise ConfigError(
                f"{path}:{line}: {name} is a secret and does not belong in a project's file",
                hint=f"set {key.env}, or put it in a file and name that in token_file", key=name, **where,
            )  # fmt: skip
        found[name] = _Found(raw, path.parent, where)
    return found


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Text and table of a TOML file. Raises ConfigError with file and line; numbers with a point are Decimals."""
    try:
        text = path.read_bytes().decode("utf-8")
        return text, tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{path} cannot be read: {reason}", file=str(path), line=None) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}:{line}: not UTF-8 text", hint="save the file as UTF-8", file=str(path), line=line
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, text, str(error)) from error


def _not_toml(path: Path, text: str, message: str) -> ConfigError:
    match = _AT_LINE.search(message)
    line = int(match.group(1)) if match and match.group(1) else text.count("\n") + 1
    reason = _AT_LINE.sub("", message).strip()
    return ConfigError(
        f"{path}:{line}: not TOML: {reason}",
        hint='a line reads name = "value"; text needs quotation marks', file=str(path), line=line,
    )  # fmt: skip


def line_of(text: str, name: str) -> int | None:
    """The line (from 1) on which a top-level key or table is written, or None."""
    quoted = re.escape(name)
    pattern = re.compile(rf"""^[ \t]*\[*[ \t]*["']?{quoted}["']?[ \t]*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return number
    return None


def _meant(name: str) -> str:
    near = nearest(name, keys())
    return f"did you mean {near}?" if near else "`tally config show` lists all settings"


def _origin(where: Mapping[str, Any]) -> str:
    if "file" in where:
        return f"{where['file']}:{where['line']}" if where.get("line") else str(where["file"])
    return str(where["origin"])


def _token_from_file(values: dict[str, Any], origins: dict[str, str]) -> None:
    path: Path | None = values["token_file"]
    if path is None or values["token"] is not None:
        return
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the token file {path} cannot be read",
            hint="write the token on its first line",
            file=str(path),
            line=None,
        ) from error
    token = lines[0].strip() if lines else ""
    if not token:
        raise ConfigError(
            f"the token file {path} is empty",
            hint="write the token on its first line",
            file=str(path),
            line=1,
        )
    values["token"], origins["token"] = token, f"token_file {path}"


def key_named(name: str) -> Key:
    """One key of the table. Raises ConfigError for a name it does not have."""
    key = keys().get(name)
    if key is None:
        raise ConfigError(f"there is no setting {name!r}", hint=_meant(name), key=name)
    return key
