"""What the user writes in `[notifier.NAME]` with `type = "email"`."""

from __future__ import annotations

import re
from email.utils import parseaddr
from typing import Annotated, Final, Literal

from msgspec import Meta

from hlmon import Secret
from hlmon_notify.config import LookConfig

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)
_MOST_RECIPIENTS: Final = 50  # of one SES message


class EmailConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """Who writes to whom, and by which way."""

    sender: Annotated[str, Meta(description="an address, or `Name <address>`")]
    to: Annotated[tuple[str, ...], Meta(description="up to 50 addresses")]
    via: Annotated[Literal["smtp", "ses"], Meta(description="a mail server, or Amazon SES")] = "smtp"
    host: Annotated[str, Meta(description="the mail server; required for smtp")] = ""
    port: Annotated[int, Meta(ge=0, le=65535, description="its port; 0: 587, 465 or 25, by `security`")] = 0
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="`tls`: encrypted from the first byte; `none`: only for a server on the same machine"),
    ] = "starttls"
    username: Annotated[str, Meta(description="who signs in at the mail server; left out: nobody")] = ""
    password: Annotated[Secret | None, Meta(description="refers to the password")] = None
    region: Annotated[str, Meta(description="for ses; left out: that of AWS's own settings")] = ""
    endpoint_url: Annotated[str, Meta(description="another SES, e.g. a local one for tests")] = ""

    def __post_init__(self) -> None:
        """Refuse what is no address, and fields that do not go together."""
        super().__post_init__()
        if not _ADDRESS.fullmatch(address_of(self.sender)) or not self.sender.isprintable():
            raise ValueError('from: must be an address, or "Name <address>"')
        if not 0 < len(self.to) <= _MOST_RECIPIENTS or not all(map(_ADDRESS.fullmatch, self.to)):
            raise ValueError(f"to: must be 1 to {_MOST_RECIPIENTS} plain addresses")
        if self.via == "smtp":
            self._check_smtp()
        elif self.host or self.port or self.username or self.password:
            raise ValueError('via: host, port, username and password belong to "smtp"')

    def _check_smtp(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.:-]+", self.host, re.ASCII):
            raise ValueError("host: must be the name of a mail server")
        if bool(self.username) != (self.password is not None):
            raise ValueError("username: needs password beside it, and the other way round")
        if self.region or self.endpoint_url:
            raise ValueError('via: region and endpoint_url belong to "ses"')

    @property
    def sender_address(self) -> str:
        """The address without the name."""
        return address_of(self.sender)


def address_of(sender: str) -> str:
    """The address in `Name <address>`, or the whole."""
    return parseaddr(sender)[1] if "<" in sender else sender
