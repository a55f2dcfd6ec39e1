"""What this package adds to hlmon: six notifiers. Their clients are imported when one is opened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hlmon import NotifierFactory, hookimpl
from hlmon_notify import apprise, discord, mail, sns, telegram, webhook


@hookimpl
def hlmon_notifiers() -> Iterable[NotifierFactory[Any]]:
    """Discord, Telegram, e-mail, Amazon SNS, webhook, Apprise."""
    return [each.FACTORY for each in (discord, telegram, mail, sns, webhook, apprise)]
