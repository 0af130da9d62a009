"""E-mail: one plain text for each notice, over a connection that is encrypted before anything is said."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final

from tallystick.adapters.notify.addresses import is_loopback
from tallystick.model.errors import Unreachable
from tallystick.model.notice import Notice

_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Mail:
    """Sends notices by SMTP with STARTTLS (or TLS from the start), signed in where there is a user.

    To this machine alone a server without STARTTLS is used, and never with a password.
    """

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    implicit: bool = False
    context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """See ``Notifier``."""
        return f"smtp:{self.host}"

    def send(self, notice: Notice, at: int) -> None:
        """See ``Notifier``."""
        del at
        try:
            with self._connected() as smtp:
                if self.user is not None and self.password is not None:
                    smtp.login(self.user, self.password)
                refused = smtp.send_message(self.message(notice))
        except (OSError, smtplib.SMTPException, ssl.SSLError, ValueError) as error:
            raise Unreachable(f"{self.name} did not take the notice ({type(error).__name__})") from error
        if refused:
            raise Unreachable(f"{self.name} took the notice for some of its receivers only")

    def _connected(self) -> smtplib.SMTP:
        context = self.context or ssl.create_default_context()
        if self.implicit:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_SECONDS, context=context)
        smtp = smtplib.SMTP(self.host, self.port, timeout=_SECONDS)
        try:
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=context)
                smtp.ehlo()
            elif not is_loopback(self.host) or self.password is not None:
                raise smtplib.SMTPNotSupportedError("no STARTTLS")
        except BaseException:
            smtp.close()
            raise
        return smtp

    def message(self, notice: Notice) -> EmailMessage:
        """The e-mail: plain text, whose headers nothing in it can add to."""
        made = EmailMessage()
        made["Subject"] = notice.subject
        made["From"], made["To"] = self.sender, ", ".join(self.to)
        made["Message-ID"] = f"<{notice.approval}@tallystick.invalid>"
        made["Auto-Submitted"] = "auto-generated"
        made.set_content(notice.text)
        return made
