"""What all tests share."""

from __future__ import annotations

import signal

# Started in the background by a shell, this process and all programs that it starts would ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
