"""What a message looks like, purely: no clock, no network, no client of any service.

`message` says what there is to tell, once for all; each other module gives that the form of one service.
"""

from __future__ import annotations

from hlmon_notify.render.message import Entry, Look, Message, message_of

__all__ = ["Entry", "Look", "Message", "message_of"]
