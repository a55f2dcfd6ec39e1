"""Plugins of one file each, which the config names by their paths: found and imported as an entry point is.

The text of a program is run, so the user must have written its place into a config file: a path beside that file or an
absolute one. Nothing in the environment can name one, and the folder in which hlmon was started plays no part.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final
from zlib import crc32

from hlmon import hookspecs
from hlmon.config import Config, disabled_plugins
from hlmon.problems import Problem

if TYPE_CHECKING:
    from hlmon.plugins import Catalogue

_HOOKS: Final = tuple(name for name in vars(hookspecs) if name.startswith("hlmon_"))


@dataclass(frozen=True)
class PluginFile:
    """What the entry point of an installed plugin is; `name` is the path as the config has it."""

    name: str
    path: Path

    @property
    def dist(self) -> None:
        """No package brings it."""

    @property
    def module_name(self) -> str:
        """One for each path. Loggers of this name are shown, as all are whose names begin with hlmon."""
        stem = re.sub(r"\W", "_", self.path.stem)
        return f"hlmon_file_{stem}_{crc32(str(self.path).encode()):08x}"

    def load(self) -> ModuleType:
        """Run the file, once in a process. Raises ImportError with the line at fault, or if no hook is in it."""
        known = sys.modules.get(self.module_name)
        if known is not None:
            return known
        try:
            text = self.path.read_bytes()
        except OSError as error:
            raise ImportError(f"{self.path}: {(error.strerror or str(error)).lower()}") from error
        spec = spec_from_file_location(self.module_name, self.path)
        if spec is None:
            raise ImportError(f"{self.path} is no file of Python: its name must end with .py")
        module = sys.modules[self.module_name] = module_from_spec(spec)  # where its types are looked for
        try:
            # Not by the spec's loader: that would write a __pycache__ beside the config.
            exec(compile(text, str(self.path), "exec"), vars(module))  # noqa: S102  # it is the user's plugin
            self._check(module)
        except BaseException as error:
            del sys.modules[self.module_name]
            if not isinstance(error, Exception):
                raise
            raise ImportError(f"{self._place(error)}{type(error).__name__}: {error}") from error
        return module

    def _check(self, module: ModuleType) -> None:
        if not any(hasattr(each, "hlmon_impl") or name in _HOOKS for name, each in vars(module).items()):
            raise LookupError("no hook is in it; a plugin has a function such as hlmon_notifiers, under @hookimpl")

    def _place(self, error: Exception) -> str:
        """The last line of this file that the error came through."""
        if isinstance(error, SyntaxError):
            return ""  # says it itself
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(self.path)]
        return f"line {lines[-1]}: " if lines else ""


def plugin_files(config: Config | None) -> list[PluginFile]:
    """The plugins of one file that the config names, each once, relative paths from the config's own folder."""
    if config is None:
        return []
    folder = Path(config.origin).absolute().parent
    return [PluginFile(name, folder / Path(name).expanduser()) for name in dict.fromkeys(config.plugins)]


def file_problems(config: Config, catalogue: Catalogue) -> Iterator[Problem]:
    """Of each that cannot be used, why: the user's own file is as much to be put right as the config is."""
    if not config.plugins:
        return
    disabled = disabled_plugins()
    places = {name: position for position, name in config.numbered("plugins")}
    for plugin in catalogue.plugins:
        if plugin.name in places and plugin.broken and plugin.name not in disabled:
            yield Problem(("plugins", places[plugin.name]), f"{plugin.name}: {plugin.broken}")
