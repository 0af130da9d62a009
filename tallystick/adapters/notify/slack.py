"""A webhook as Slack has them, and what follows its form (Mattermost, Rocket.Chat, …).

What an agent wrote is sent as plain text, in which nothing is a mention, a link or a format.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallystick.adapters.notify.addresses import check_peer
from tallystick.adapters.posting import post, shown
from tallystick.model.canonical import canonical_json
from tallystick.model.errors import Unreachable
from tallystick.model.notice import Notice


def escaped(text: str) -> str:
    """Text in which Slack sees no mention and no link: its three special characters are written out."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message(notice: Notice) -> dict[str, object]:
    """The message of a notice: a line for where only text is shown, and blocks of plain text."""
    blocks = [
        {"type": "section", "text": {"type": "plain_text", "text": text[:2_900], "emoji": False}}
        for text in (notice.subject, "\n".join(f"{what}: {said}" for what, said in notice.lines))
    ]
    return {"text": escaped(notice.subject), "mrkdwn": False, "unfurl_links": False, "blocks": blocks}


@dataclass(frozen=True, slots=True)
class Slack:
    """Posts notices to an incoming webhook. Its address is a secret."""

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """See ``Notifier``."""
        return f"slack:{shown(self.url).split('/', 3)[2]}"

    def send(self, notice: Notice, at: int) -> None:
        """See ``Notifier``."""
        del at
        answer = post(self.url, canonical_json(message(notice)), "application/json", check_peer=check_peer)
        if not 200 <= answer.status < 300:
            raise Unreachable(f"{self.name} answered {answer.status}")
