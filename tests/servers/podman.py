"""Images and containers without a Docker engine: debootstrap makes the base, buildah builds, podman runs with runc.

They share the network of this machine, so that a container reaches the servers on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.servers.process import Unavailable
from tests.servers.waiting import wait_for

PROGRAMS: Final = ("buildah", "debootstrap", "podman", "runc")
BASE: Final = "localhost/hlmon-base:bookworm"
CERTIFICATES: Final = "/etc/ssl/certs"
TICKS: Final = os.sysconf("SC_CLK_TCK")
ARCH: Final = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]

# Without systemd; and a limit that is higher than this machine's own may not be asked for.
SETTINGS = """
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
env = {environ}
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""

# Apart from this machine's own images, so that all of it may be thrown away.
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/running"
"""
KEPT: Final = Path.home() / ".cache" / "hlmon" / "containers"


class Podman:
    """The programs, with settings of their own in `folder`; every container gets `environ`."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        missing = [name for name in PROGRAMS if not shutil.which(name)]
        if missing or os.geteuid() != 0:
            raise Unavailable(f"containers need root and: apt-get install {' '.join(PROGRAMS)}")
        given = [f"{name}={value}" for name, value in (environ or {}).items()]
        self._folder = folder
        settings, storage = folder / "containers.conf", folder / "storage.conf"
        settings.write_text(SETTINGS.format(environ=json.dumps(given)))
        storage.write_text(STORAGE.format(folder=KEPT))
        self.environ = {"CONTAINERS_CONF": str(settings), "CONTAINERS_STORAGE_CONF": str(storage)}

    def __call__(self, *command: str | Path) -> str:
        """What this command of podman says; a failure of it is one of the test."""
        done = self.attempt("podman", *command)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def attempt(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Any program, however it ends."""
        return subprocess.run(command, env=os.environ | self.environ, check=False, capture_output=True, text=True)

    def build(self, folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
        """Build the Dockerfile of this folder on the base; what needs certificates finds those of this machine."""
        options = ["--isolation=chroot", "--format=docker", "--layers", f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"]
        return self.attempt("buildah", "bud", *options, f"--build-arg=BASE_IMAGE={BASE}", "--tag", tag, folder)

    def make_base(self) -> None:
        """Make the base image unless it is there from an earlier run. Raises Unavailable where no mirror is reached."""
        if self.attempt("buildah", "inspect", "--type", "image", BASE).returncode == 0:
            return
        root = self._folder / "root"
        made = self.attempt("debootstrap", "--variant=minbase", "--include=python3,python3-venv", "bookworm", root)
        if made.returncode:
            raise Unavailable(f"debootstrap cannot make the base image: {made.stdout[-500:]}")
        (self._folder / "Base").write_text("FROM scratch\nCOPY root /\n")
        done = self.attempt("buildah", "bud", "--file", self._folder / "Base", "--tag", BASE, self._folder)
        assert done.returncode == 0, done.stderr[-2000:]
        shutil.rmtree(root)

    def forget(self) -> None:
        """Remove every image but the base, and what builds left in between."""
        names = self("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        self._remove(name for name in names if name not in {BASE, "<none>:<none>"})
        self._remove(self("images", "--all", "--quiet", "--filter", "dangling=true").split())

    def _remove(self, images: Iterable[str]) -> None:
        if found := list(images):
            self("rmi", "--force", *found)

    @contextlib.contextmanager
    def container(self, image: str, *options: str) -> Iterator[Container]:
        """A container of this image that runs, and is gone afterwards."""
        name = self("run", "--detach", "--no-healthcheck", *options, image).strip()
        try:
            yield Container(self, name)
        finally:
            self.attempt("podman", "rm", "--force", "--time", "0", "--volumes", name)

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        """The address at which podman answers as Docker's engine does."""
        place = self._folder / "engine.sock"
        command = ["podman", "system", "service", "--time", "0", f"unix://{place}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, env=os.environ | self.environ, **quiet)
        try:
            wait_for(place.exists, 30, "podman's socket")
            yield f"unix://{place}"
        finally:
            process.terminate()
            process.wait(30)


class Container:
    """One container that runs, and what its first process takes."""

    def __init__(self, podman: Podman, name: str) -> None:
        self._podman, self.name = podman, name
        self.pid = int(self._state()["Pid"])

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command inside of it, however it ends."""
        return self._podman.attempt("podman", "exec", self.name, *command)

    def log(self) -> str:
        done = self._podman.attempt("podman", "logs", self.name)
        return done.stdout + done.stderr

    def kill(self) -> None:
        self._podman("kill", "--signal", "KILL", self.name)
        self._podman("wait", self.name)

    def stop(self, seconds: int) -> tuple[float, int]:
        """SIGTERM, and after so many seconds SIGKILL. How many seconds it took, and the exit code."""
        began = time.monotonic()
        self._podman("stop", "--time", str(seconds), self.name)
        return time.monotonic() - began, int(self._state()["ExitCode"])

    def cpu_s(self) -> float:
        """CPU time since its start, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self) -> float:
        """The most memory that it had resident so far."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(peak) * 1024 / 1e6

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._podman("inspect", "--format", "{{json .State}}", self.name))
        return state
