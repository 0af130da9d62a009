"""Every error a user can meet, in one tree.

An error has a stable ``code`` for programs, a message and a hint (what to do next) for people, an exit
code for the command line and a status for HTTP. Anything else that escapes is a bug in Tallystick.

    TallystickError
    ├── Fault            exit 1  500  something of ours went wrong
    │   ├── StoreFault           500  the store is damaged or cannot be used
    │   └── StoreFull            503  no room on the disk: try again later, nothing was lost
    ├── BadInput         exit 2  400  what was given cannot be read
    │   ├── TooLarge             413
    │   ├── UnknownThing         404  a name or id that nothing has
    │   └── ConfigError          400  a settings, policy or declaration file with a mistake
    ├── AnswerIsNo       exit 3  403  the question was understood and the answer is no
    │   ├── Denied               403
    │   ├── OverBudget           402
    │   └── Stopped              403  the run was stopped (loop, too many denials)
    ├── NotSignedIn      exit 4  401
    ├── Unreachable      exit 5  503
    ├── Unconfirmed      exit 6  500  an effect may or may not have landed
    └── Conflict         exit 7  409
        └── StoreTooNew          409  written by a newer Tallystick; left untouched
"""

from __future__ import annotations

from typing import Any, ClassVar


class TallystickError(Exception):
    """Root of the tree. ``detail`` holds JSON-ready facts (file, line, scope, …)."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str | None = None, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    def as_json(self) -> dict[str, Any]:
        """The one JSON error shape: ``{"error": {"code", "message", "hint", "detail"}}``."""
        return {
            "error": {"code": self.code, "message": self.message, "hint": self.hint, "detail": self.detail}
        }


class Fault(TallystickError):
    """Something of ours went wrong."""

    code = "fault"


class StoreFault(Fault):
    """The store is damaged or cannot be used."""

    code = "store.fault"


class ArchiveFault(StoreFault):
    """What was recorded of a run is in the archive and cannot be read; other runs are not concerned."""

    code = "store.archive"


class StoreFull(Fault):
    """No room on the disk; the sender keeps what it has and tries again."""

    code = "store.full"
    http_status = 503


class BadInput(TallystickError):
    """What was given cannot be read."""

    code = "input.invalid"
    exit_code = 2
    http_status = 400


class TooLarge(BadInput):
    """A body or a file over the limit."""

    code = "input.too_large"
    http_status = 413


class UnknownThing(BadInput):
    """A name or an id that nothing has, or a prefix that several have."""

    code = "input.unknown"
    http_status = 404


class ConfigError(BadInput):
    """A settings, policy or declaration file with a mistake; detail has ``file`` and ``line``."""

    code = "config.invalid"


class AnswerIsNo(TallystickError):
    """The question was understood and the answer is no."""

    code = "no"
    exit_code = 3
    http_status = 403


class Denied(AnswerIsNo):
    """A policy, or the lack of one, refused an action."""

    code = "policy.denied"


class OverBudget(AnswerIsNo):
    """A hard budget would be exceeded; detail has ``scope``, ``limit_nano``, ``needed_nano``."""

    code = "budget.exceeded"
    http_status = 402


class Stopped(AnswerIsNo):
    """The run was stopped: a loop, or too many denials."""

    code = "run.stopped"


class Held(AnswerIsNo):
    """A call waits for people and its process does not; detail has ``approval``, ``group`` and ``expires_ns``.

    The same call, made again in the same run, uses the answer.
    """

    code = "approval.held"
    http_status = 409

    @property
    def approval(self) -> str:
        """The id of the approval that it waits for."""
        return str(self.detail.get("approval", ""))


class NotSignedIn(TallystickError):
    """A token is needed, or the one given is wrong."""

    code = "auth.required"
    exit_code = 4
    http_status = 401


class Unreachable(TallystickError):
    """A server or a provider does not answer."""

    code = "unreachable"
    exit_code = 5
    http_status = 503


class Unconfirmed(TallystickError):
    """An effect was started and nobody knows whether it landed."""

    code = "effect.unconfirmed"
    exit_code = 6


class Conflict(TallystickError):
    """Somebody else was first: an approval already answered, a version already taken."""

    code = "conflict"
    exit_code = 7
    http_status = 409


class StoreTooNew(Conflict):
    """The store was written by a newer Tallystick and is left untouched."""

    code = "store.too_new"
