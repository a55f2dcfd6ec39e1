"""The wheels of this tree, and fresh environments with nothing of the tree on their path; each is made once."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.servers.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
ACME = ROOT / "tests/acme-plugin"
BIN = Path(sys.executable).parent
KEPT_VARIABLES = ("HOME", "LANG", "TMPDIR", "SSL_", "REQUESTS_", "PIP_", "UV_", "HTTP_", "HTTPS_", "NO_PROXY")


class Environment:
    """A virtual environment, and programs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        kept = {name: value for name, value in os.environ.items() if name.upper().startswith(KEPT_VARIABLES)}
        self.environ = kept | {"PATH": f"{self.bin}:/usr/bin:/bin", "MYPY_CACHE_DIR": str(folder / "mypy")}

    def run(self, *command: str | Path, cwd: Path | None = None, code: int = 0, **environ: str) -> str:
        """The output of a program of the environment, which must end with this code."""
        ended = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=cwd or self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def hlmon(self, *arguments: str | Path, cwd: Path | None = None, code: int = 0, **environ: str) -> str:
        return self.run("hlmon", *arguments, cwd=cwd, code=code, **environ)

    def start(self, *command: str | Path, cwd: Path, **environ: str) -> subprocess.Popen:
        """A program that goes on running; its output is in `log`."""
        with (cwd / "log").open("ab") as log:
            arguments = [self.bin / command[0], *command[1:]]
            return subprocess.Popen(arguments, cwd=cwd, env=self.environ | environ, stdout=log, stderr=log)


def uv(*arguments: str | Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    ended = subprocess.run([BIN / "uv", *arguments], capture_output=True, text=True, env=environ, check=False)
    if "Failed to fetch" in ended.stderr:
        pytest.skip("a fresh environment needs the package index, which cannot be reached")
    assert ended.returncode == 0, ended.stderr


def build(*what: str | Path, out: Path) -> Path:
    """Build as `make dist` does."""
    uv("build", "--quiet", *what, "--no-build-isolation", "--python", sys.executable, "--out-dir", out)
    return out


@pytest.fixture(scope="session")
def dist(tmp_path_factory) -> Path:
    """What `make dist` leaves in dist/."""
    return build("--all-packages", ROOT, out=tmp_path_factory.mktemp("packages") / "dist")


@pytest.fixture(scope="session")
def acme(tmp_path_factory) -> Path:
    """The wheel of the independent plugin."""
    (wheel,) = build("--wheel", ACME, out=tmp_path_factory.mktemp("acme")).glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def pins(tmp_path_factory) -> Path:
    """The versions that the tests run with, so that fresh environments change only when constraints.txt does."""
    found = {f"{each.name}=={each.version}" for each in distributions() if not each.name.startswith("hlmon")}
    path = tmp_path_factory.mktemp("pins") / "pins.txt"
    path.write_text("\n".join(sorted(found)))
    return path


@pytest.fixture(scope="session")
def user(tmp_path_factory, dist, pins) -> Environment:
    """What a user has: pip, and by it hlmon-core and hlmon-dynamodb.

    What these say they depend on is brought before by uv, which is ten times as fast; pip then must need nothing else.
    """
    folder = tmp_path_factory.mktemp("user") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    environment = Environment(folder)
    wanted = ["hlmon-core", "hlmon-dynamodb"]
    declared = [f"--requirements={ROOT}/packages/{name}/pyproject.toml" for name in wanted]
    fetch = ("--find-links", dist, "--constraint", pins)
    uv("pip", "install", "--quiet", "--python", environment.python, *fetch, *declared)
    uv("pip", "uninstall", "--quiet", "--python", environment.python, "hlmon-core")  # dynamodb depends on it
    environment.run("python", "-m", "pip", "install", "--quiet", "--no-index", "--find-links", dist, *wanted)
    return environment


@pytest.fixture(scope="session")
def author(tmp_path_factory, dist, pins, acme) -> Environment:
    """What the author of a plugin has, made by uv and thus without pip: hlmon-core, the tools, and Acme's plugin."""
    folder = tmp_path_factory.mktemp("author") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, folder)
    environment = Environment(folder)
    wanted = ["hlmon-core", "pytest", "mypy", "ruff", "hatchling", "editables", acme]
    uv("pip", "install", "--quiet", "--python", environment.python, "--find-links", dist, "-c", pins, *wanted)
    return environment


@pytest.fixture(scope="session")
def wait():
    return wait_for


@pytest.fixture(scope="module")
def exchange():
    """A simulated exchange where nothing happens by itself, run from this tree."""
    from hlmon_sim.background import BackgroundServer
    from hlmon_sim.scenario import Scenario
    from hlmon_sim.server import SimServer

    with BackgroundServer(SimServer(Scenario(accounts=0, rate=0, trades_rate=0, speed=0.001))) as server:
        yield server
