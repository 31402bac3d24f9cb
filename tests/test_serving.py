"""Settings that are read again while the server runs; that signals end it, and lost cameras, is in test_server.py and test_cli.py."""

import asyncio
import signal

import pytest

from manyeyes.config import validated
from manyeyes.core.errors import ConfigError
from manyeyes.server import Hub, Server
from manyeyes.serving import plan, reload
from manyeyes.testing import SlowViewer
from tests.serving import Eye, Serving, eventually, get_json, numbered

A = {"name": "a", "source": "test:?size=160x120"}
B = {"name": "b", "source": "test:?size=160x120"}


def settings(*cameras, **others):
    return validated(port=0, cameras=cameras, **others)


def names(server):
    return [camera.name for camera in server.cameras]


def test_plan():
    old = settings(A, B, quality=50)
    assert plan(old, settings(A, B, quality=50)) == ([], [], [])
    assert plan(old, settings(B, A, quality=50)) == ([], [], [])  # another order is no other camera
    for new, gone, made, later in (
        (settings(A, quality=50), ["b"], [], []),
        (settings(A, B, {**A, "name": "c"}, quality=50), [], ["c"], []),
        (settings(A, {**B, "fps": 3}, quality=50), ["b"], ["b"], []),
        (settings(A, {**B, "source": "test:"}, quality=50), ["b"], ["b"], []),
        (settings(A, {**B, "quality": 50}, quality=50), [], [], []),  # says the same
        (settings({**A, "quality": 50}, B, quality=60), ["b"], ["b"], []),
        (settings(A, B, quality=50, host="::1", max_viewers=3, stall_timeout_s=9), [], [], ["host"]),
    ):
        found = plan(old, new)
        assert (found.gone, [camera.name for camera in found.made], found.later) == (gone, made, later)


def test_who_is_not_concerned_keeps_watching():
    async def main():
        old = settings(A, B)
        async with Server.from_settings(old) as server:
            kept = server.cameras[0]
            address = server._listener.address
            async with (
                SlowViewer(*address, "/cams/a/stream.jpg") as one,
                SlowViewer(*address, "/cams/b/stream.jpg") as two,
            ):
                await one.read_parts(2)
                await two.read_parts(2)
                new = await reload(
                    server, old, settings({**A, "name": "c"}, {**B, "fps": 5}, A, host="::1", stall_timeout_s=7)
                )
                assert names(server) == ["c", "b", "a"]
                assert server.cameras[2] is kept
                assert len(kept.hub.viewers) == 1
                assert server.cameras[1].capture.source.asked["fps"] == 5
                assert (new.host, server.settings.host, new.stall_timeout_s) == ("127.0.0.1", "127.0.0.1", 7)
                await one.read_parts(2)
                assert len(await two.read_parts(1000)) < 1000  # it ended
                assert await reload(server, new, new) == new
                await one.read_parts(2)

    asyncio.run(main())


def test_limits_hold_for_who_comes():
    async def main():
        old = settings(A)
        async with Server.from_settings(old) as server:
            address = server._listener.address
            async with SlowViewer(*address) as one:
                await one.read_parts(1)
                await reload(server, old, settings(A, max_viewers=1))
                async with SlowViewer(*address) as two:
                    assert two.status == 503
                await one.read_parts(2)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ({"name": "c", "source": "nonsense:x"}, "nonsense"),
        ({"name": "c", "source": "test:", "size": "big"}, "big"),
        ({"name": "theirs", "source": "test:"}, "there already"),
        ({"name": "c", "source": "README.md"}, "README.md"),
    ],
)
def test_what_cannot_be_changes_nothing(camera, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("no video")

    async def main():
        old = settings(A, B)
        async with Server.from_settings(old) as server:
            server.add(Hub("theirs"))
            before = list(server.cameras)
            with pytest.raises(ConfigError, match=words):
                await reload(server, old, settings({**B, "fps": 3}, camera, max_viewers=1))
            assert server.cameras == before
            assert server.settings.max_viewers is None

    asyncio.run(main())


def test_a_camera_that_came_by_itself_stays():
    async def main():
        old = settings(A)
        async with Server.from_settings(old) as server:
            server.add(Hub("found"))
            await reload(server, old, settings(B))
            assert names(server) == ["b", "found"]

    asyncio.run(main())


def test_a_signal_reads_the_file_again(tmp_path):
    """As operators have it: the same connection goes on, a wrong file is refused with its line, and the right one holds."""
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(numbered(number))
    front = f'[cameras.front]\nsource = "{tmp_path}"\n'
    file = tmp_path / "m.toml"
    file.write_text(front)
    with Serving("--config", str(file)) as server, Eye(server) as eye:

        def cameras():
            return [camera["name"] for camera in get_json(server.url + "status")["cameras"]]

        def reads(text):
            file.write_text(text)
            server._process.send_signal(signal.SIGHUP)

        eye.next(lambda headers, body: True)
        reads(front + '[cameras]\nback = "test:"\n')
        eventually(lambda: cameras() == ["front", "back"], "the new camera is there")
        reads(front + '[cameras]\nside = "test:"\nfrotn.source = 3\n')
        log = eventually(
            lambda: (log := server.so_far()) and "nothing is changed" in log and log, "the wrong file is refused"
        )
        assert f"{file}, line 5" in log
        assert cameras() == ["front", "back"]
        reads(front)
        eventually(lambda: cameras() == ["front"], "the camera is gone")
        eye.next(lambda headers, body: True)
        assert len(server.status()["viewers"]) == 1
        assert server.stop() == 0


def test_without_a_file_a_hang_up_ends_it():
    with Serving("test:?size=160x120") as server:
        server._process.send_signal(signal.SIGHUP)
        assert server._process.wait(60) == -signal.SIGHUP
