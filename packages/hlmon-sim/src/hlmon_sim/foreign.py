"""REST answers that are not the exchange's own: from overload, proxies, and whoever means harm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import zlib
from typing import Final

from aiohttp import web

JSON: Final = "application/json"
PAGE: Final = "<html><body><h1>Just a moment...</h1></body></html>"
DRIBBLE_SECONDS: Final = 3.0
BOMB_MB: Final = 1_500
DEEP: Final = 200_000

# Status, body, content type. An empty list is not among them: it is an answer, and one that says something.
FOREIGN: Final = (
    (200, "null", JSON),
    (200, "{}", JSON),
    (200, "5", JSON),
    (200, '"x"', JSON),
    (200, "true", JSON),
    (200, '{"error":"upstream"}', JSON),
    (200, '{"status":"err","response":"busy"}', JSON),
    (200, "[null]", JSON),
    (200, '[["x"]]', JSON),
    (200, '[{"coin":"BT', JSON),
    (200, "", JSON),
    (200, PAGE, "text/html"),
    (403, PAGE, "text/html"),
    (403, "null", JSON),
    (404, "Not Found", "text/plain"),
    (404, "null", JSON),
    (500, "null", JSON),
)


class ForeignAnswers:
    """Answers of one kind: `foreign` (in turns), `dribble`, `bomb` or `deep`."""

    def __init__(self, kind: str, seed: float) -> None:
        self.kind = kind
        self._random = random.Random(seed)

    async def answer(self, request: web.Request, own: bytes) -> web.StreamResponse:
        """An answer to the request; `own` is what the exchange would have said."""
        if self.kind == "dribble":
            return await dribble(request, own)
        if self.kind == "bomb":
            headers = {"Content-Encoding": "gzip"}
            return web.Response(body=await asyncio.to_thread(bomb), headers=headers, content_type=JSON)
        if self.kind == "deep":
            return web.Response(text="[" * DEEP, content_type=JSON)
        status, text, content_type = self._random.choice(FOREIGN)
        return web.Response(status=status, text=text, content_type=content_type)


async def dribble(request: web.Request, own: bytes, *, pause_seconds: float = DRIBBLE_SECONDS) -> web.StreamResponse:
    """The right answer, one byte at a time, with a pause after each."""
    response = web.StreamResponse(headers={"Content-Type": JSON})
    response.content_length = len(own)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # who asked did not wait
        for place in range(len(own)):
            await response.write(own[place : place + 1])
            await asyncio.sleep(pause_seconds)
    return response


@functools.cache
def bomb(megabytes: int = BOMB_MB) -> bytes:
    """A gzip file about a thousandth of what it unpacks to: a JSON list that begins and does not end."""
    chunk = b" " * 2**20
    compress, checksum = zlib.compressobj(9, wbits=-zlib.MAX_WBITS), zlib.crc32(b"[")
    head = compress.compress(b"[") + compress.flush(zlib.Z_FULL_FLUSH)
    block = compress.compress(chunk) + compress.flush(zlib.Z_FULL_FLUSH)  # the same bytes each time: nothing is shared
    for _ in range(megabytes):
        checksum = zlib.crc32(chunk, checksum)
    size = (1 + megabytes * len(chunk)) % 2**32
    frame = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff", checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return frame[0] + head + block * megabytes + compress.flush() + frame[1]
