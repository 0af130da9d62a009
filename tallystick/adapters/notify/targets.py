"""Reads where notices go from a line of the settings."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tallystick.adapters.notify.addresses import check_url
from tallystick.adapters.notify.mail import Mail
from tallystick.adapters.notify.slack import Slack
from tallystick.adapters.notify.webhook import Webhook
from tallystick.model.errors import ConfigError
from tallystick.ports.notify import Notifier

_MAIL: Final = re.compile(r"[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,253}")
_HINT: Final = "webhook:https://…, slack:https://… or smtp://USER@HOST/?from=A@B&to=C@D"


def notifier_of(text: str, *, secret: str | None, password: str | None) -> Notifier:
    """``webhook:URL``, ``slack:URL``, ``smtp://…`` (STARTTLS) or ``smtps://…``. Raises ConfigError.

    ``secret`` signs webhooks, ``password`` is that of the mail server's user.
    """
    kind, _, rest = text.partition(":")
    if kind == "webhook":
        if not secret:
            raise ConfigError("a webhook is signed, and there is no secret", hint="set notify_secret")
        return Webhook(check_url(rest), secret)
    if kind == "slack":
        return Slack(check_url(rest))
    if kind in ("smtp", "smtps"):
        return _mail(text, password)
    raise ConfigError(f"no notice goes to {kind[:40]!r}", hint=_HINT)


def _mail(text: str, password: str | None) -> Mail:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"this is no mail server: {error}", hint=_HINT) from error
    if parts.password is not None:
        raise ConfigError("a password does not stand in an address", hint="set notify_password")
    asked = parse_qs(parts.query)
    to, sender = tuple(asked.get("to", ())), (asked.get("from") or [""])[0]
    wrong = [one for one in (sender, *to) if not _MAIL.fullmatch(one)]
    if not parts.hostname or not to or wrong:
        raise ConfigError("a mail server has a host, a from and a to", hint=_HINT)
    implicit = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    return Mail(parts.hostname, port or (465 if implicit else 587), sender, to, user, password, implicit)
