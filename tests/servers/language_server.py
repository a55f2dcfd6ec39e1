"""A TOML language server, asked as an editor asks it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("tombi")
CAPABILITIES = {"textDocument": {"completion": {"completionItem": {"documentationFormat": ["markdown"]}}}}


class LanguageServer:
    """An editor with one file in this folder."""

    def __init__(self, process: subprocess.Popen, folder: Path) -> None:
        self._process = process
        self._file = folder / "hlmon.toml"
        self._number = 0
        self._told: list[str] = []
        self._ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities=CAPABILITIES)
        self._tell("initialized")

    def open(self, text: str) -> list[str]:
        """The file has this text now; what the server finds wrong with it."""
        self._file.write_text(text)
        document = {"uri": self._file.as_uri(), "languageId": "toml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", textDocument=document)
        while True:
            message = self._receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                return [each["message"] for each in message["params"]["diagnostics"]]

    def complete(self, line: int, character: int) -> dict[str, str]:
        """What is offered at this place, each with its explanation."""
        place = {"line": line, "character": character}
        answer = self._ask("textDocument/completion", textDocument={"uri": self._file.as_uri()}, position=place)
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return {item["label"]: (item.get("documentation") or {}).get("value", "") for item in items}

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._send(id=self._number, method=method, params=params)
        while True:
            message = self._receive()
            if message.get("id") == self._number and "method" not in message:
                return message["result"]

    def _tell(self, method: str, **params: Any) -> None:
        self._send(method=method, params=params)

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The next message; what the server asks in its turn is answered with nothing."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._process.stdout.readline()
            assert line, "the language server has ended"
            head += line
        message = json.loads(self._process.stdout.read(int(head.lower().partition(b"content-length:")[2].split()[0])))
        if "id" in message and "method" in message:
            self._send(id=message["id"], result=None)
        return message


@contextlib.contextmanager
def language_server(folder: Path) -> Iterator[LanguageServer]:
    """It works without the network."""
    with subprocess.Popen(
        [PROGRAM, "lsp", "--offline"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield LanguageServer(process, folder)
        finally:
            process.kill()
