"""A sink or notifier that is opened, called and closed on a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from hlmon.contract import Settings
from hlmon.deadline import OPEN_SECONDS
from hlmon.errors import Transient
from hlmon.events import Checkpoint
from hlmon.monitor.plugin_thread import Abandoned, PluginThread
from hlmon.parts import EnabledPart

MOST_HANGING: Final = 3


class OpenedPart:
    """Whoever delivers to it calls `open` until it returns, then `write` or `send`, at last `close`.

    An open that does not return in time is left to itself, and the next one gets a new thread, while there are less
    than three of these.
    """

    def __init__(self, part: EnabledPart[Any], settings: Settings, *, recalls: bool = False) -> None:
        """`recalls` says that the checkpoints of a sink are wanted."""
        self._part = part
        self._settings = settings
        self.recalls = recalls
        self._plugin: Any = None
        self._thread: PluginThread | None = None
        self._hanging: list[PluginThread] = []
        self._is_abandoned = False
        self.checkpoints: list[Checkpoint] | None = None  # None until they were asked for

    def open(self) -> None:
        """Open it. Raises what the plugin raises, or Transient if it did not return in time."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive]
        if len(self._hanging) >= MOST_HANGING:
            raise Transient(
                f"{len(self._hanging)} attempts to open it have not returned: look at the network and the service; if "
                "they are well restart hlmon and tell the plugin's authors"
            )
        stack = ExitStack()
        self._thread = thread = PluginThread(f"plugin {self._part.name}", stack.close)
        if self._is_abandoned:
            thread.abandon()
        try:
            self._plugin = thread.call(partial(self._enter, stack), OPEN_SECONDS)
        except Abandoned:
            self._hanging.append(thread)
            what = "its open and load_checkpoints" if self.recalls else "its open"
            raise Transient(f"{what} did not return within {OPEN_SECONDS:.0f} s") from None
        except BaseException:
            thread.abandon()
            raise

    def _enter(self, stack: ExitStack) -> Any:
        plugin = stack.enter_context(self._part.open_unnamed(self._settings))
        if self.recalls:
            self.checkpoints = [_checked(each) for each in plugin.load_checkpoints()]
        return plugin

    def write(self, events: Sequence[Any]) -> None:
        """The sink's write, for as long as it takes. Raises Abandoned after `abandon`."""
        self._call(self._plugin.write, events)

    def send(self, alerts: Sequence[Any]) -> None:
        """The notifier's send, for as long as it takes. Raises Abandoned after `abandon`."""
        self._call(self._plugin.send, alerts)

    def load_checkpoints(self) -> Sequence[Checkpoint]:
        """Those that were read when it was opened; none if that has not been, or if they were not wanted."""
        return self.checkpoints or ()

    def _call(self, method: Any, events: Sequence[Any]) -> None:
        assert self._thread is not None  # noqa: S101  # it is open
        self._thread.call(partial(method, events))

    def close(self) -> None:
        """Close it, for as long as it takes. Raises Abandoned after `abandon`."""
        if self._thread is not None:
            self._thread.end()

    def abandon(self) -> None:
        """Whoever waits for the plugin goes on at once. From any thread."""
        self._is_abandoned = True
        if self._thread is not None:
            self._thread.abandon()


def _checked(loaded: object) -> Checkpoint:
    if not isinstance(loaded, Checkpoint):
        raise TypeError(f"load_checkpoints returned {type(loaded).__name__}, not Checkpoint")
    return loaded
