import asyncio
import json
import shutil
import sys
import urllib.error
import urllib.request

import pytest

from manyeyes.core.errors import BadFrame, ConfigError, SourceEnded, SourceNoSignal, SourceNotFound
from manyeyes.sources import open_source
from manyeyes.sources.exec import ExecSource
from tests.conftest import child_processes, require
from tests.contracts.source_contract import check_source
from tests.serving import Serving, eventually
from tests.sources.samples import jpeg, shade_of


@pytest.fixture
def pictures(tmp_path):
    """A folder with a.jpg, b.jpg, c.jpg and bad.jpg."""
    for name, data in (
        ("a", jpeg(shade=60)),
        ("b", jpeg(shade=120)),
        ("c", jpeg(shade=180)),
        ("bad", jpeg()[:-30] + b"\xff\xd9"),
    ):
        (tmp_path / f"{name}.jpg").write_bytes(data)
    return tmp_path


def shell(script, **options):
    return ExecSource(["sh", "-c", script], **options)


async def opened_shade(source):
    await source.open()
    try:
        return shade_of(await source.read())
    finally:
        await source.close()


def test_contract(pictures):
    script = f"cd {pictures}; while :; do cat a.jpg b.jpg; sleep 0.01; done"
    asyncio.run(check_source(lambda: shell(script)))


@pytest.mark.parametrize("format", ["mjpeg", "mpjpeg", "image2pipe -c:v mjpeg"])
def test_ffmpeg(format):
    require(shutil.which("ffmpeg"), "there is no ffmpeg")

    async def main():
        source = open_source(f"exec:ffmpeg -loglevel error -re -f lavfi -i 'testsrc=size=64x48:rate=50' -f {format} -")
        await source.open()
        for _ in range(20):
            frame = await source.read()
            assert (frame.format, frame.width, frame.height) == ("JPEG", 64, 48)
        await source.close()
        assert source.url == "exec:ffmpeg ..."

    asyncio.run(main())


def test_the_command_is_split_but_no_shell_runs_it(pictures, monkeypatch):
    monkeypatch.chdir(pictures)

    async def main(command):
        source = open_source(f"exec:{command}")
        return await opened_shade(source)

    (pictures / "a b?size=1#x.jpg").write_bytes(jpeg(shade=200))
    assert asyncio.run(main("cat 'a b?size=1#x.jpg'")) == 200
    assert asyncio.run(main(r"cat a\ b?size=1#x.jpg")) == 200
    with pytest.raises(SourceEnded, match=r"cat: '\*.jpg': No such file"):
        asyncio.run(main("env LC_ALL=C cat *.jpg"))
    with pytest.raises(SourceEnded):
        asyncio.run(main("cat $HOME ; touch made"))
    assert not (pictures / "made").exists()


def test_only_the_newest_is_given_and_the_others_are_counted(pictures):
    async def main():
        # All of it comes in one write, so three are replaced.
        source = shell(f"cd {pictures}; cat a.jpg b.jpg a.jpg c.jpg > all; cat all; exec sleep 99")
        await source.open()
        assert shade_of(await source.read()) == 180
        await source.close()
        assert source.dropped == 3

    asyncio.run(main())


def test_a_bad_picture_is_a_bad_frame(pictures):
    # With an EOI, so that the scanner takes it for a picture.
    (pictures / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9")

    async def main():
        source = shell(f"cd {pictures}; cat a.jpg; while [ ! -e go ]; do sleep 0.01; done; cat bad.jpg; exec sleep 99")
        await source.open()
        await source.read()
        (pictures / "go").touch()
        with pytest.raises(BadFrame):
            await source.read()
        await source.close()

    asyncio.run(main())


def test_when_it_ends_its_last_line_is_the_reason_and_it_can_be_started_again(pictures):
    async def main():
        source = shell(f"cd {pictures}; cat b.jpg; echo first >&2; echo 'device is gone' >&2; exit 4")
        for _ in range(2):
            await source.open()
            assert shade_of(await source.read()) == 120
            for _ in range(2):
                with pytest.raises(
                    SourceEnded, match=r"^exec:sh \.\.\.: ended with status 4: device is gone$"
                ) as caught:
                    await source.read()
            assert caught.value.source == source.url
            await source.close()
        assert not child_processes()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ("no-such-program-at-all -x", SourceNotFound, "there is no program no-such-program-at-all: is it installed"),
        ("/etc/passwd", SourceNotFound, "cannot be started: permission denied"),
        ("true", SourceEnded, "exec:true: ended with status 0$"),
        ("sh -c 'kill -9 $$'", SourceEnded, "was ended by SIGKILL"),
        ("sh -c 'exec >&-; sleep 99'", SourceEnded, "closed its output"),
        ("head -c 40000000 /dev/zero", SourceEnded, "no JPEG in .* bytes: not Motion JPEG"),
        ("sh -c 'echo hello; echo why >&2'", SourceEnded, "ended with status 0: why"),
    ],
)
def test_what_cannot_be_opened(command, kind, words):
    with pytest.raises(kind, match=words):
        asyncio.run(opened_shade(open_source("exec:" + command)))
    assert not child_processes()


def test_one_that_writes_no_picture(monkeypatch):
    monkeypatch.setattr(ExecSource, "first_picture_s", 2)
    with pytest.raises(SourceNoSignal, match=r"no picture on its stdout within 2 s: looking for it"):
        asyncio.run(opened_shade(shell("echo 'looking for it' >&2; exec sleep 99")))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("exec:", "names no command"),
        ("exec:  ", "names no command"),
        ("exec:ffmpeg 'me:secret", "cannot be split: no closing quotation"),
    ],
)
def test_commands_that_cannot_be(url, words):
    with pytest.raises(ConfigError, match=words) as caught:
        open_source(url)
    assert caught.value.key == "source"
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.value)


def test_a_size_cannot_be_asked_for_and_the_rate_is_the_captures():
    with pytest.raises(ConfigError, match=r"^exec:curl \.\.\.: size cannot be set") as caught:
        open_source("exec:curl -u me:hush cam", size=(64, 48))
    assert "hush" not in str(caught.value)
    assert open_source("exec:true", fps=5).asked["fps"] is None
    assert open_source("exec:true").permanent is False


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["ffmpeg", "-i", "rtsp://me:hush@cam/live"], "rtsp://me:hush@cam/live: 401"),
        (["ffmpeg", "-i", "rtsp://me:hush@cam/live"], "user me with password hush refused"),
        (["curl", "-u", "me:hush", "http://cam/"], "curl: me:hush and hush"),
        (["curl", "--user=me:hush"], "bad hush"),
        (["x", "--password", "hush"], "wrong password hush"),
        (["x", "--api-key=hush"], "wrong hush"),
        (["x", "-headers", "hush"], "sent hush"),
        (["x"], "http://cam/?pwd=hush"),
    ],
)
def test_secrets_of_the_command_are_in_no_reason(command, line):
    async def main():
        source = ExecSource(command)
        source._command = ["sh", "-c", f"echo '{line}' >&2; exit 1", *command[1:]]
        with pytest.raises(SourceEnded) as caught:
            await source.open()
        assert "ended with status 1: " in str(caught.value)
        assert "hush" not in str(caught.value)
        assert "hush" not in source.url

    asyncio.run(main())


def test_no_command_comes_in_over_http(tmp_path):
    """Neither a route nor a setting takes a source: what runs is what the command line said."""
    made = tmp_path / "made"
    command = f"exec:touch {made}"
    with Serving("test:?size=160x120&fps=5") as server:
        paths = [
            "",
            "config",
            "cams",
            "cams/cam/",
            "cams/cam/config",
            "cams/new",
            "status",
            "sources",
            "stream.jpg",
            "snapshot.jpg",
        ]
        for path in paths:
            for body in ({"source": command}, {"cameras": [command]}, {"url": command}, [command], command):
                for method in ("POST", "PUT", "PATCH"):
                    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), method=method)
                    request.add_header("Content-Type", "application/json")
                    with pytest.raises(urllib.error.HTTPError) as caught:
                        urllib.request.urlopen(request, timeout=30)
                    caught.value.close()
                    assert caught.value.code in (400, 404, 405, 501), (method, path)
        for query in (f"source={command}", f"src={command}", f"url={command}"):
            url = f"{server.url}snapshot.jpg?{urllib.parse.quote(query, safe='=')}"
            with urllib.request.urlopen(url, timeout=30) as response:
                assert response.status == 200  # and means nothing
        assert [row["source"] for row in (server.status(),)] == ["test:?size=160x120&fps=5"]
    assert not made.exists()


def test_served_restarted_with_back_off_and_ended_with_the_server(pictures):
    script = f"cd {pictures}; echo $$ >> pids; cat a.jpg; sleep 0.2; cat b.jpg; echo cable fell out >&2; exit 1"
    with Serving(f"exec:sh -c '{script}' me:s3cret", "--always-on") as server:
        row = eventually(lambda: (row := server.status())["state"] == "lost" and row, "lost")
        assert row["reason"] == "exec:sh ...: ended with status 1: cable fell out"
        eventually(lambda: len((pictures / "pids").read_text().split()) >= 3, "started again")
        assert "s3cret" not in str(row)
    assert "s3cret" not in server.log
    assert "cable fell out" in server.log
    assert sys.executable not in server.log
