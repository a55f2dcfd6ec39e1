"""A package index on loopback that takes uploads as the public one does, and leaves each file in a folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Upload(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self):
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = BytesParser().parsebytes(head + self.rfile.read(int(self.headers["Content-Length"])))
        for part in form.get_payload():
            if name := part.get_filename():
                (self.folder / Path(name).name).write_bytes(part.get_payload(decode=True))
        self.send_response(200 if self.headers["Authorization"] else 403)
        self.end_headers()

    def log_message(self, format, *args):  # noqa: A002  # its name in the base class
        pass


@contextmanager
def index_into(folder: Path) -> Iterator[str]:
    """The address to upload to, meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Upload", (_Upload,), {"folder": folder}))
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
