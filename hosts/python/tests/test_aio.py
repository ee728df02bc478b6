"""The asynchronous mailbox."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import azall
from azall import aio


def test_it_does_what_the_plain_one_does(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.Mailbox.open(tmp_path, agent="ada@localhost") as mailbox:
            sent = await mailbox.send("ada@localhost", "Note", "Milk.", attachments={"a.txt": b"abc"})
            assert sent.is_accepted
            assert (await mailbox.sync()).received[0].id == sent.id
            message = await mailbox.read(sent.id)
            assert (message.text, message.attachments[0].read_bytes()) == ("Milk.", b"abc")
            assert (await mailbox.reply(message, "Yes")).is_accepted
            await mailbox.remember("OAuth2", title="api")
            assert [memory.title for memory in await mailbox.recall("oauth")] == ["api"]
            assert await mailbox.whoami("x") == await mailbox.whoami()
            assert await mailbox.doing(append="y") == "y"
            assert await mailbox.note("n", "t") == "t"
            assert (await mailbox.filter.block("eve@x")).blacklist == ("eve@x",)
            assert (await mailbox.trust.status()).owner is None
            assert len(await mailbox.keyring.list()) == 1
            assert (await mailbox.verify(await mailbox.sign("t"))).is_valid
            assert (await mailbox.export(tmp_path / "x.zip")).files > 5
            assert len((await mailbox.search("milk")).matches) > 1
            with pytest.raises(azall.NotFoundError):
                await mailbox.read("abcdef")

    asyncio.run(main())


def test_every_method_has_its_twin() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert methods(aio.Mailbox) - {"aclose"} == methods(azall.Mailbox) - {"close"}
    from azall import mailbox

    for name in ("Trust", "Filter", "Keyring"):
        assert methods(getattr(aio, name)) == methods(getattr(mailbox, name))


def test_tasks_share_a_mailbox(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.Mailbox.open(tmp_path, agent="ada@localhost") as mailbox:
            await asyncio.gather(*(mailbox.remember(str(number), title="all") for number in range(12)))
            recalled = await mailbox.recall("all")
            assert len(recalled.memories[0].text.splitlines()) == 12

    asyncio.run(main())


def test_watching(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.Mailbox.open(tmp_path, agent="ada@localhost") as mailbox:
            seen = []
            watch = mailbox.watch()

            async def look() -> None:
                async for message in watch:
                    seen.append(message.subject)
                    if len(seen) == 2:
                        break

            task = asyncio.create_task(look())
            await asyncio.sleep(0.3)
            await mailbox.send("ada@localhost", "one", "x")
            await mailbox.send("ada@localhost", "two", "x")
            await task
            assert sorted(seen) == ["one", "two"]
            assert await watch.wait(0.1) is None
            await watch.aclose()
            assert [message async for message in watch] == []
            assert len(await mailbox.inbox()) == 2

    asyncio.run(main())


def test_watching_over_a_relay(over_relay: Callable[[str], azall.Mailbox]) -> None:
    ada, bob = over_relay("ada"), over_relay("bob")

    async def main() -> None:
        async with await aio.Mailbox.open(bob.config_path) as mailbox, mailbox.watch() as watch:
            first = asyncio.ensure_future(watch.__anext__())
            await asyncio.sleep(0.5)
            sent = await asyncio.to_thread(ada.send, bob.address, "Hello", "there")
            assert (await first).id == sent.id
            assert (await mailbox.reply(sent.id, "Hello back")).is_accepted

    asyncio.run(main())
    assert [message.subject for message in ada.inbox()] == ["Re: Hello"]


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that never answers."""
    released = threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            released.wait(60)

        do_POST = do_GET  # noqa: N815

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    released.set()
    server.shutdown()


def test_cancelling_a_task_cancels_what_it_runs(
    tmp_path: Path, silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azall._drive.GRACE", 0.2)

    async def main() -> None:
        async with await aio.Mailbox.open(tmp_path, agent="ada@localhost") as mailbox:
            await mailbox.command(
                "relay", {"add": {"server": silent_server, "token": "t0ken", "address": "ada.agenttalk"}}
            )
            task = asyncio.create_task(mailbox.sync())
            await asyncio.sleep(0.5)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # Nothing is left locked.
            await asyncio.wait_for(mailbox.remember("x"), 10)

    asyncio.run(main())
