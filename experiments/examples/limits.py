"""Limits of a web service, kept before a request is parsed: how many at once, how many bytes, how slowly."""

import asyncio
import math
import time
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Limits:
    """What a service takes.

    Args:
        most_bytes: bytes of a request's body.
        most_pixels: pixels of an image.
        concurrency: requests at once; further ones are sent away.
        patience_s: longest wait for the next part of a body, in seconds.
        body_s: longest wait for a whole body, in seconds.
    """

    most_bytes: int = 16 * 2**20
    most_pixels: int = 2**24
    concurrency: int = 4
    patience_s: float = 10.0
    body_s: float = 30.0


class LimitedRequests:
    """An ASGI application behind limits: 503 for too many requests, 413 for too many bytes, 408 for a late body.

    A body is counted as it arrives: its announced length may be absent or a lie.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits, self.running = app, limits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self.running >= self.limits.concurrency:
            response = JSONResponse({"detail": "too many requests at once; try again"}, 503, {"Retry-After": "1"})
            await response(scope, receive, send)
        elif (length := _announced(scope)) is not None and length > self.limits.most_bytes:
            await JSONResponse({"detail": self._too_long()}, 413)(scope, receive, send)
        else:
            self.running += 1
            try:
                await self.app(scope, self._counted(receive), send)
            finally:
                self.running -= 1

    def _counted(self, receive: Receive) -> Receive:
        received, whole, end = 0, False, math.inf

        async def counted() -> Message:
            nonlocal received, whole, end
            if whole:  # what comes now is that the client has gone, whenever that is
                return await receive()
            now, patience, body = time.monotonic(), self.limits.patience_s, self.limits.body_s
            end = min(end, now + body)  # its time runs from when it is first asked for
            wait, limit, what = min((patience, patience, "next part of the body"), (end - now, body, "body"))
            try:
                message = await asyncio.wait_for(receive(), wait)
            except asyncio.TimeoutError:
                raise HTTPException(408, f"the {what} did not come within {limit:g} s") from None
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > self.limits.most_bytes:
                raise HTTPException(413, self._too_long())
            return message

        return counted

    def _too_long(self) -> str:
        return f"the request is too long; at most {self.limits.most_bytes} bytes are taken"


def _announced(scope: Scope) -> int | None:
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() else None
