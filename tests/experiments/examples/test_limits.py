"""Limits hold whatever a client announces, sends, or leaves out."""

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from experiments.examples.limits import LimitedRequests, Limits

LIMITS = Limits(most_bytes=10, concurrency=2, patience_s=60, body_s=60)


def scope(**headers: str) -> Scope:
    pairs = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": pairs}


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})


class Client:
    def __init__(self, *parts: bytes, hangs: bool = False) -> None:
        self.parts, self.hangs, self.sent = list(parts), hangs, []

    async def receive(self) -> Message:
        if self.parts:
            part = self.parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": self.hangs or bool(self.parts)}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def call(self, app: Any, **headers: str) -> int:
        await app(scope(**headers), self.receive, self.send)
        return self.sent[0]["status"]


def test_within_the_limits() -> None:
    assert asyncio.run(Client(b"12345", b"67890").call(LimitedRequests(reads_all, LIMITS), content_length="10")) == 200


def test_too_many_bytes_announced_or_not() -> None:
    app = LimitedRequests(reads_all, LIMITS)
    assert asyncio.run(Client().call(app, content_length="11")) == 413  # before any of them is read
    for headers in ({}, {"content_length": "3"}, {"content_length": "-1"}, {"content_length": "many"}):
        with pytest.raises(HTTPException) as error:
            asyncio.run(Client(b"123456", b"789012").call(app, **headers))
        assert error.value.status_code == 413
    assert app.running == 0


def test_a_body_that_does_not_come() -> None:
    app = LimitedRequests(reads_all, Limits(patience_s=0.05, body_s=60))
    with pytest.raises(HTTPException) as error:
        asyncio.run(Client(b"1", hangs=True).call(app))
    assert error.value.status_code == 408 and app.running == 0
    assert error.value.detail == "the next part of the body did not come within 0.05 s"


def test_a_body_that_comes_in_time_by_parts_but_never_ends() -> None:
    class Trickle(Client):
        async def receive(self) -> Message:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"", "more_body": True}

    app = LimitedRequests(reads_all, Limits(patience_s=60, body_s=0.1))
    with pytest.raises(HTTPException) as error:
        asyncio.run(asyncio.wait_for(Trickle().call(app), 60))
    assert (error.value.status_code, error.value.detail) == (
        408,
        "the body did not come within 0.1 s",
    ) and app.running == 0


def test_too_many_at_once() -> None:
    async def three() -> list[int]:
        release = asyncio.Event()

        async def waits(scope: Scope, receive: Receive, send: Send) -> None:
            await release.wait()
            await reads_all(scope, receive, send)

        app = LimitedRequests(waits, LIMITS)
        first = [asyncio.create_task(Client(b"1").call(app)) for _ in range(2)]
        await asyncio.sleep(0)
        third = await Client(b"1").call(app)
        release.set()
        return [*await asyncio.gather(*first), third, await Client(b"1").call(app)]

    assert asyncio.run(three()) == [200, 200, 503, 200]
