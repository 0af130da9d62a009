"""A webhook: one JSON document, signed, so that whoever gets it knows from whom and when it came.

``x-tallystick-signature`` is ``v1=`` and the HMAC-SHA256 (hex) of ``{timestamp}.{body}``; ``x-tallystick-timestamp`` is
in seconds. A receiver refuses old timestamps, and drops a second delivery by ``x-tallystick-delivery``.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from tallystick.adapters.notify.addresses import check_peer
from tallystick.adapters.posting import post, shown
from tallystick.model.canonical import canonical_json
from tallystick.model.errors import Unreachable
from tallystick.model.notice import Notice

SIGNATURE: Final = "x-tallystick-signature"
TIMESTAMP: Final = "x-tallystick-timestamp"
DELIVERY: Final = "x-tallystick-delivery"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What stands in the signature's header."""
    return (
        "v1=" + hmac.new(secret.encode("utf-8"), timestamp.encode("ascii") + b"." + body, sha256).hexdigest()
    )


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts notices to an address."""

    url: str
    secret: str = field(repr=False)

    @property
    def name(self) -> str:
        """See ``Notifier``."""
        return f"webhook:{shown(self.url)}"

    def send(self, notice: Notice, at: int) -> None:
        """See ``Notifier``. Anything but a status of 2xx is not delivered; a redirect is not followed."""
        body, stamp = canonical_json(notice.as_json()), str(at // 1_000_000_000)
        headers = {
            TIMESTAMP: stamp,
            SIGNATURE: signature(self.secret, stamp, body),
            DELIVERY: notice.approval,
        }
        answer = post(self.url, body, "application/json", headers=headers, check_peer=check_peer)
        if not 200 <= answer.status < 300:
            raise Unreachable(f"{shown(self.url)} answered {answer.status}")
