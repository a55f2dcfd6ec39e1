"""The package of a new plugin: its names, its files from the templates beside this module, and how they get written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from hlmon.errors import ConfigError
from hlmon.packages import OWN_NAMES

PARTS: Final = ("sink", "notifier", "rule", "source", "deriver", "command")
LONGEST_NAME: Final = 30  # so that no line of the templates outgrows the formatter's limit

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COMMAND: Final = "click.Command"
_HOOKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "SinkFactory": ("hlmon_sinks", ("sink",)),
    "NotifierFactory": ("hlmon_notifiers", ("notifier",)),
    "DeriverFactory": ("hlmon_derivers", ("rule", "deriver")),
    "SourceFactory": ("hlmon_sources", ("source",)),
    _COMMAND: ("hlmon_commands", ("command",)),
}
"""What a hook returns -> the hook, and the parts that it is for."""
_MEANINGS: Final = {"deriver": "The deriver, which is always on."}
_USES: Final[Mapping[str, str]] = {
    "sink": '[sink.mine]\ntype = "${name}"\npath = "events"\n',
    "notifier": '[notifier.mine]\ntype = "${name}"\nurl = "env:${VARIABLE}_URL"\n',
    "rule": '[rule.mine]\ntype = "${name}"\nfrom_notional = 100_000\n',
    "source": '[source.mine]\ntype = "${name}"\npath = "events.jsonl"\n',
    "deriver": "# ${name}-first runs in every monitor that has this package; it needs no table\n",
    "command": "# `hlmon ${name}` needs no table\n",
}


@dataclass(frozen=True, kw_only=True)
class ProjectName:
    """One name in the forms in which the package uses it."""

    name: str  # what the user of the plugin writes as type

    @property
    def distribution(self) -> str:
        """What is installed."""
        return f"hlmon-{self.name}"

    @property
    def module(self) -> str:
        """What is imported."""
        return self.distribution.replace("-", "_")

    @property
    def substitutions(self) -> dict[str, str]:
        """What the templates write for each form."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "module": self.module,
            "VARIABLE": self.name.replace("-", "_").upper(),
            "Name": "".join(word.capitalize() for word in self.name.split("-")),
            "core": version("hlmon-core"),
        }


def project_name(text: str) -> ProjectName:
    """The name as given, with or without "hlmon-" before it. Raises ConfigError if no plugin can have it."""
    name = text.removeprefix("hlmon-")
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ConfigError(
            f"{text!r} is no name: a letter first, then letters, digits and single -, all lower case, at most "
            f"{LONGEST_NAME}, e.g. box or my-box"
        )
    if name in OWN_NAMES:
        raise ConfigError(f"{name!r} is a package, a type or a command of hlmon itself")
    return ProjectName(name=name)


def project_files(project: ProjectName, parts: Sequence[str]) -> dict[str, str]:
    """Path inside the project -> text, for a plugin with these parts."""
    wanted = {
        ".github/workflows/ci.yml": "ci.yml",
        ".gitignore": "gitignore",
        "README.md": "README.md",
        "pyproject.toml": "pyproject.toml",
        f"src/{project.module}/__init__.py": "src/__init__.py",
        f"src/{project.module}/py.typed": "src/py.typed",
        "tests/test_plugin.py": "tests/test_plugin.py",
    }
    for part in parts:
        wanted[f"src/{project.module}/{part}.py"] = f"src/{part}.py"
        wanted[f"tests/test_{part}.py"] = f"tests/test_{part}.py"
    substitutions = project.substitutions | {
        "uses": _substitute(_uses(parts), project),
        "parts": ", ".join(parts),
        "click": '"click>=8.4", ' if "command" in parts else "",
    }
    templates = files("hlmon.cli.new_plugin") / "templates"
    found = {path: (templates / f"{name}.txt").read_text(encoding="utf-8") for path, name in wanted.items()}
    texts = {path: Template(text).substitute(substitutions) for path, text in found.items()}
    texts[f"src/{project.module}/plugin.py"] = _plugin(project, parts)
    return texts


def write_project(folder: Path, texts: Mapping[str, str]) -> None:
    """Write every file. Raises ConfigError, and writes nothing, if the folder is there already."""
    try:
        folder.mkdir()
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{folder} exists already; it was left as it is") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from error


def _plugin(project: ProjectName, parts: Sequence[str]) -> str:
    hooks = {returned: [part for part in of if part in parts] for returned, (_, of) in _HOOKS.items()}
    returned = sorted(each for each, own in hooks.items() if own)
    factories = [each for each in returned if each != _COMMAND]
    lines = [
        f'"""What {project.distribution} adds to hlmon."""',
        "",
        "from collections.abc import Iterable",
        *(["from typing import Any"] if factories else []),
        "",
        *(["import click"] if _COMMAND in returned else []),
        f"from hlmon import {', '.join([*factories, 'hookimpl'])}",
        "",
        f"from {project.module} import {', '.join(sorted(parts))}",
    ]
    for each in returned:
        lines += ["", "", *_hook(each, hooks[each])]
    return "\n".join(lines) + "\n"


def _hook(returned: str, parts: Sequence[str]) -> list[str]:
    if returned == _COMMAND:
        typed, what, values = returned, "The command, by its name.", ["command.command"]
    else:
        typed, values = f"{returned}[Any]", [f"{part}.FACTORY" for part in parts]
        what = " ".join(_MEANINGS.get(part, f"The {part}, which a config names as its type.") for part in parts)
    return [
        "@hookimpl",
        f"def {_HOOKS[returned][0]}() -> Iterable[{typed}]:",
        f'    """{what}"""',
        f"    return [{', '.join(values)}]",
    ]


def _uses(parts: Iterable[str]) -> str:
    return "\n".join(_USES[part] for part in parts)


def _substitute(text: str, project: ProjectName) -> str:
    return Template(text).substitute(project.substitutions)
