import asyncio
import random
import socket

import pytest

from manyeyes.aio.camera import Camera
from manyeyes.aio.capture import Capture
from manyeyes.aio.compat import SystemClock
from manyeyes.aio.hub import Hub
from manyeyes.core.errors import HubClosed
from manyeyes.core.frame import Frame
from manyeyes.core.multipart import BROWSER, FIRST_HEADER, LENGTH, part_header
from manyeyes.core.stats import ViewerStats
from manyeyes.delivery import viewers as viewers_module
from manyeyes.delivery.connection import stream
from manyeyes.delivery.viewers import NOTSENT_LOWAT_BYTES, TCP_NOTSENT_LOWAT, ViewerGroup
from manyeyes.encoders import HostEncoder
from manyeyes.sources import open_source
from manyeyes.testing import FakeClock, FakeSource, SlowViewer, fake_jpeg, fake_jpeg_number
from manyeyes.web.app import make_app
from tests.delivery.wire import LIMIT_S, Client, group_of, listening, until

BIG = 1_000_000  # much more than the kernel takes of it, with SMALL at this end and a small SO_RCVBUF at the other
SMALL = {"send_buffer_bytes": 65536}
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
STREAM_HEADERS = {
    "content-type": "multipart/x-mixed-replace; boundary=frame",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "connection": "close",
}


def run(main):
    asyncio.run(main())


def numbers(parts):
    """Return the numbers that parts carry: every byte of each was compared on the way."""
    return [fake_jpeg_number(body) for _, body in parts]


def ask(path=b"/stream.jpg", agent=b"test"):
    return b"GET %s HTTP/1.1\r\nHost: h\r\nUser-Agent: %s\r\n\r\n" % (path, agent)


class Ticks:
    """The once-a-second work of a group, done when the test says so."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(viewers_module, "TICK_S", 1e6)

    def tick(self, group):
        group._tick_handle.cancel()
        group._tick()


@pytest.fixture
def ticks(monkeypatch):
    return Ticks(monkeypatch)


# The bytes


@pytest.mark.parametrize(
    ("path", "agent", "framing"),
    [
        (b"/stream.jpg", CHROME.encode(), BROWSER),
        (b"/stream.jpg", b"curl/8.5.0", LENGTH),
        (b"/stream.jpg?framing=length", CHROME.encode(), LENGTH),
        (b"/stream.jpg?framing=browser", b"curl/8.5.0", BROWSER),
        (b"/?action=stream", b"Lavf/61", LENGTH),
        (b"/stream?viewer=me", CHROME.encode(), BROWSER),
    ],
)
def test_every_byte_of_a_stream(path, agent, framing):
    async def main():
        hub = Hub()
        async with listening(hub) as listener, Client(listener) as client:
            await client.send(ask(path, agent))
            status, headers = await client.head()
            assert status == 200
            assert headers.pop("date").endswith("GMT")
            assert headers == STREAM_HEADERS
            if framing == BROWSER:
                # The first part's header comes at once, before there is a frame.
                first = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
                assert await client.exactly(len(first)) == first
            await until(lambda: hub.viewers)
            for number in range(3):
                jpeg = fake_jpeg(number)
                hub.publish(jpeg)
                if framing == BROWSER:
                    expected = jpeg + b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"
                else:
                    wall_us = hub.latest.wall_us
                    expected = (
                        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %d.%06d\r\n\r\n"
                        % (len(jpeg), wall_us // 1_000_000, wall_us % 1_000_000)
                    )
                    expected += jpeg + b"\r\n"
                assert await client.exactly(len(expected)) == expected
            await listener.aclose()
            assert await client.rest() == b""

    run(main)


def test_head_and_first_part_header_are_one_write():
    async def main():
        hub = Hub()
        async with listening(hub) as listener:
            with socket.create_connection(listener.address) as sock:
                sock.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(sock, ask(agent=CHROME.encode()))
                assert (await loop.sock_recv(sock, 65536)).endswith(b"\r\n\r\n" + FIRST_HEADER)

    run(main)


def test_a_new_viewer_begins_with_the_current_frame_only_if_it_is_current():
    async def main():
        hub = Hub()
        hub.publish(fake_jpeg(1))
        async with listening(hub) as listener:
            async with SlowViewer(*listener.address) as viewer:
                assert numbers(await viewer.read_parts(1)) == [1]
            await until(lambda: not hub.viewers)
            hub.pause()  # what there is now is history
            async with SlowViewer(*listener.address) as viewer:
                await until(lambda: hub.viewers)
                hub.publish(fake_jpeg(2))
                assert numbers(await viewer.read_parts(1)) == [2]

    run(main)


def test_both_framings_at_once_share_one_buffer():
    async def main():
        hub = Hub()
        async with listening(hub) as listener:
            address = listener.address
            async with SlowViewer(*address, user_agent=CHROME) as browser, SlowViewer(*address) as other:
                await until(lambda: len(hub.viewers) == 2)
                for number in range(5):
                    hub.publish(fake_jpeg(number, 20_000))
                    assert hub.latest.part.browser.obj is hub.latest.part.length.obj
                    assert numbers(await browser.read_parts(1)) == [number]
                    assert numbers(await other.read_parts(1)) == [number]

    run(main)


@pytest.mark.parametrize("agent", [CHROME, "curl"])
@pytest.mark.parametrize("seed", range(3))
def test_parts_are_whole_after_partial_sends(agent, seed):
    async def main():
        choose = random.Random(seed)
        hub = Hub()
        async with (
            listening(hub, **SMALL) as listener,
            SlowViewer(*listener.address, user_agent=agent) as viewer,
        ):
            await until(lambda: hub.viewers)
            published = 0
            parts = []
            while len(parts) < 6:
                if hub.viewers[0].frames + hub.viewers[0].dropped >= published - 1:
                    published += 1
                    hub.publish(fake_jpeg(published, choose.randrange(200_000, 1_000_000)))
                data = await viewer.read(choose.choice((1, 17, 4096, 100_000, 1_000_000)))
                parts += viewer._parser.feed(data)
            got = numbers(parts)
            assert got == sorted(set(got))

    run(main)


# Leaving


@pytest.mark.parametrize("leave", ["aclose", "reset", "half_close"])
@pytest.mark.parametrize("busy", [False, True])
def test_a_viewer_that_leaves_is_noticed_without_a_frame(leave, busy):
    async def main():
        hub = Hub()
        async with listening(hub, **SMALL) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            if busy:
                hub.publish(fake_jpeg(1, BIG))
                await until(lambda: hub.viewers[0].pending_us)
            left = getattr(viewer, leave)()
            if left is not None:
                await left
            await until(lambda: not hub.viewers, "the viewer to be gone")
            assert not hub.watched
            assert listener.connections == 0
            if leave == "half_close":  # its side was closed, not just forgotten
                viewer.resume()
                await viewer._reader

    run(main)


def test_viewers_that_leave_while_a_frame_goes_out():
    async def main():
        hub = Hub()
        async with listening(hub) as listener:
            viewers = [SlowViewer(*listener.address, receive_buffer_bytes=65536) for _ in range(12)]
            for viewer in viewers:
                await viewer.connect()
            await until(lambda: len(hub.viewers) == 12)
            for number, viewer in enumerate(viewers):
                # Gone on our side of the wire; the server's send() is what finds out, or its epoll: in any order.
                await (viewer.reset() if number % 2 else viewer.aclose())
                hub.publish(fake_jpeg(number, 100_000))
            await until(lambda: not hub.viewers)

    run(main)


def test_input_after_the_request_is_discarded():
    async def main():
        hub = Hub()
        async with listening(hub) as listener, Client(listener) as client:
            await client.send(ask() + b"GET /status HTTP/1.1\r\n\r\n")
            await client.head()
            await until(lambda: hub.viewers)
            await client.send(b"x" * 60_000)
            group = group_of(listener, hub)
            await until(lambda: sum(viewer.input_bytes for viewer in group._viewers.values()) == 60_000)
            hub.publish(fake_jpeg(1))
            assert await client.exactly(len(hub.latest.part.length)) == hub.latest.part.length

    run(main)


def test_too_much_input_ends_the_stream():
    async def main():
        hub = Hub()
        async with listening(hub) as listener, Client(listener) as client:
            await client.send(ask())
            await client.head()
            await until(lambda: hub.viewers)
            await client.send(b"x" * 70_000)
            await until(lambda: not hub.viewers)

    run(main)


# Slow viewers


def test_a_stalled_viewer_slows_nobody_and_gets_the_newest_when_it_goes_on():
    async def main():
        hub = Hub()
        async with listening(hub) as listener:
            address = listener.address
            async with (
                SlowViewer(*address, path="/stream.jpg?viewer=stalled") as stalled,
                SlowViewer(*address, receive_buffer_bytes=1_000_000) as one,
                SlowViewer(*address, receive_buffer_bytes=1_000_000, user_agent=CHROME) as two,
            ):
                await until(lambda: len(hub.viewers) == 3)
                row = next(stats for stats in hub.viewers if stats.id == "stalled")
                for number in range(1, 41):
                    hub.publish(fake_jpeg(number, 1_000_000))
                    for viewer in (one, two):
                        # Each frame arrives, with nothing read by the third one in between.
                        assert numbers(await viewer.read_parts(1)) == [number]
                    row.settle()
                    held = hub.published - row.frames - row.dropped
                    assert held <= 2, "more than one frame in flight and one waiting"
                assert row.dropped >= 30
                busy = [one for one in group_of(listener, hub)._viewers.values() if one.stats is row]
                in_flight = 0 if busy[0].rest is None else 1
                assert busy[0].box.full
                before = row.frames
                # It gets what the kernel had, what was in flight, and then at once the newest one.
                parts = await stalled.read_parts(before + in_flight + 1)
                assert numbers(parts)[-1] == 40
                assert numbers(parts)[:before] == list(range(1, before + 1))
                assert row.dropped + len(parts) == 40
                hub.publish(fake_jpeg(41))
                assert numbers(await stalled.read_parts(1)) == [41]
                assert [stats.dropped for stats in hub.viewers if stats is not row] == [0, 0]

    run(main)


def test_small_frames_do_not_pile_up_in_the_kernel():
    """Frames far smaller than the send buffer: without a bound on what is unsent, hundreds would be on their way."""

    async def main():
        hub = Hub()
        async with listening(hub) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            for number in range(1, 501):
                hub.publish(fake_jpeg(number, 4000))
                await asyncio.sleep(0)
            row = hub.viewers[0]
            row.settle()
            assert row.frames < 50
            assert row.dropped > 400
            parts = await viewer.read_parts(row.frames + 1)
            assert numbers(parts)[-1] == 500

    run(main)


@pytest.mark.parametrize("size_bytes", [500, 10_000])  # it stalls between two frames, or within one
def test_a_viewer_that_stalls_is_seen_to_age(ticks, size_bytes):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with (
            listening(hub, clock=clock) as listener,
            SlowViewer(*listener.address) as stalled,
            SlowViewer(*listener.address) as other,
        ):
            other.resume()
            await until(lambda: len(hub.viewers) == 2)
            slow, fast = hub.viewers
            assert slow.row(clock.now_us())["age_ms"] is None
            number = 0
            while number < 5 or not slow.dropped:
                number += 1
                hub.publish(fake_jpeg(number, size_bytes))
                await until(lambda number=number: fast.settle() or fast.frames == number, "the other one to have it")
            ages = []
            for _ in range(5):
                clock.advance(1_000_000)
                number += 1
                hub.publish(fake_jpeg(number, size_bytes))
                await until(lambda number=number: fast.settle() or fast.frames == number)
                assert fast.row(clock.now_us())["age_ms"] == 0
                ages.append(slow.row(clock.now_us())["age_ms"])
            assert ages == [1000, 2000, 3000, 4000, 5000]
            sent_bytes = slow.row(clock.now_us())["sent_bytes"]
            stalled.resume()
            await until(lambda: stalled.parts and fake_jpeg_number(stalled.parts[-1][1]) == number)
            row = slow.row(clock.now_us())
            assert row["age_ms"] == 0
            assert row["sent_bytes"] > sent_bytes
            assert row["dropped"] == number - slow.frames

    run(main)


def test_it_ages_too_when_it_stalls_within_a_frame(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with listening(hub, clock=clock, **SMALL) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            hub.publish(fake_jpeg(1))
            assert numbers(await viewer.read_parts(1)) == [1]
            hub.publish(fake_jpeg(2, BIG))
            clock.advance(7_000_000)
            assert hub.viewers[0].row(clock.now_us())["age_ms"] == 7000

    run(main)


class OddSocket:
    """A socket whose `send()` takes as much as the test says; None: nothing."""

    def __init__(self, sock, *takes):
        self._sock = sock
        self._takes = list(takes)

    def send(self, view, flags):
        take = self._takes.pop(0)
        if take is None:
            raise BlockingIOError
        return min(take, len(view))

    def __getattr__(self, name):
        return getattr(self._sock, name)


def test_it_ages_too_when_it_stalls_before_the_one_that_waits(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        group = ViewerGroup(hub, 30_000_000, clock)
        ours, theirs = socket.socketpair()
        with theirs:
            stats = ViewerStats(clock.now_us())
            group.add(OddSocket(ours, 100, BIG, None, BIG), LENGTH, stats)
            [member] = group._viewers.values()
            hub.publish(fake_jpeg(1))  # 100 bytes of it
            hub.publish(fake_jpeg(2))
            group._continue(member)
            assert stats.frames == 1
            group._continue(member)  # nothing
            for _ in range(3):
                clock.advance(1_000_000)
                hub.publish(fake_jpeg(3))
            assert stats.row(clock.now_us())["age_ms"] == 3000
            assert stats.dropped == 3
            group._continue(member)
            assert stats.row(clock.now_us())["age_ms"] == 0
            assert (stats.frames, stats.dropped) == (2, 3)
            hub.close()
            await group.aclose()

    run(main)


def test_a_viewer_that_takes_nothing_is_closed_and_a_shorter_pause_survives(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with (
            listening(hub, clock=clock, stall_us=30_000_000, **SMALL) as listener,
            SlowViewer(*listener.address) as stalled,
            SlowViewer(*listener.address) as other,
        ):
            other.resume()
            await until(lambda: len(hub.viewers) == 2)
            group = group_of(listener, hub)
            slow, fast = hub.viewers
            hub.publish(fake_jpeg(1, BIG))
            for number in range(2, 31):
                clock.advance(1_000_000)
                hub.publish(fake_jpeg(number))
                ticks.tick(group)
                assert slow in hub.viewers, f"closed after {number} s"
            await until(lambda: len(group._busy) == 1, "the other one to be up to date")
            # Meanwhile the kernel may have taken a little more from the one that stalls.
            clock.advance(31_000_000)
            ticks.tick(group)
            assert hub.viewers == [fast]
            assert listener._limits.refused == {"stalled": 1}
            assert len(group) == 1
            stalled.resume()
            await stalled._reader  # its connection has an end

    run(main)


class Lease:
    """Something that lets one watch until the test takes it back."""

    over = False


@pytest.mark.parametrize("busy", [False, True])
def test_a_viewer_that_may_not_watch_any_more_is_closed_and_no_other(ticks, busy):
    async def main():
        hub = Hub()
        lease = Lease()
        app = make_app([Camera(hub)], stream)

        async def grant(request):
            request.g.grant = lease if "lease" in request.args else None

        app.before_request(grant)
        async with (
            listening(hub, app=app, **SMALL) as listener,
            SlowViewer(*listener.address, path="/stream.jpg?lease") as viewer,
            SlowViewer(*listener.address) as other,
        ):
            await until(lambda: len(hub.viewers) == 2)
            group = group_of(listener, hub)
            if busy:  # a frame is under way, of which nothing is taken
                hub.publish(fake_jpeg(1, BIG))
                await until(lambda: len(group._busy) == 2)
            ticks.tick(group)
            assert len(group) == 2
            lease.over = True
            ticks.tick(group)
            assert (len(group), len(hub.viewers)) == (1, 1)
            assert listener._limits.refused == {"revoked": 1}
            viewer.resume()
            await viewer._reader  # its connection has an end
            hub.publish(fake_jpeg(2))
            assert numbers(await other.read_parts(2 if busy else 1))[-1] == 2

    run(main)


def test_a_pause_of_ten_seconds_survives_whole(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with listening(hub, clock=clock, **SMALL) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            group = group_of(listener, hub)
            number = 0
            for _ in range(3):
                for _ in range(10):
                    number += 1
                    clock.advance(1_000_000)
                    hub.publish(fake_jpeg(number, BIG))
                    ticks.tick(group)
                assert numbers(await viewer.read_parts(2))[-1] == number
            assert not listener._limits.refused

    run(main)


def test_idle_viewers_never_stall(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with listening(hub, clock=clock, stall_us=1_000_000) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            group = group_of(listener, hub)
            for _ in range(3):
                clock.advance(100_000_000)
                ticks.tick(group)
            hub.publish(fake_jpeg(1))
            assert numbers(await viewer.read_parts(1)) == [1]

    run(main)


def test_the_stall_timeout_in_real_time(monkeypatch):
    monkeypatch.setattr(viewers_module, "TICK_S", 0.01)

    async def main():
        hub = Hub()
        async with listening(hub, stall_us=50_000, **SMALL) as listener, SlowViewer(*listener.address):
            await until(lambda: hub.viewers)
            hub.publish(fake_jpeg(1, BIG))
            await until(lambda: not hub.viewers)
            assert listener._limits.refused == {"stalled": 1}

    run(main)


# What is counted


def test_the_table_of_viewers(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        camera = Camera(hub)
        async with listening(hub, clock=clock) as listener:
            async with SlowViewer(*listener.address, path="/stream.jpg?viewer=tab-1", user_agent=CHROME) as viewer:
                await until(lambda: hub.viewers)
                host, port = viewer._sock.getsockname()
                assert camera.status()["viewers"] == [
                    {
                        "id": "tab-1",
                        "peer": f"{host}:{port}",
                        "fps": 0.0,
                        "age_ms": None,
                        "dropped": 0,
                        "sent_bytes": 0,
                        "since_s": 0.0,
                    }
                ]
                sent_bytes = 0
                for number in range(20):
                    clock.advance(100_000)
                    captured_us = clock.now_us()
                    clock.advance(2_000)
                    hub.publish(Frame(fake_jpeg(number), capture_us=captured_us, wall_us=clock.wall_us()))
                    sent_bytes += len(hub.latest.part.browser)
                    await viewer.read_parts(1)
                    ticks.tick(group_of(listener, hub))
                [row] = camera.status()["viewers"]
                assert row["sent_bytes"] == sent_bytes
                assert row["age_ms"] == 2.0
                assert row["dropped"] == 0
                assert row["since_s"] == 2.0
                assert row["fps"] == pytest.approx(20 / 2.04, abs=0.01)
            await until(lambda: not camera.status()["viewers"])

    run(main)


def test_totals_are_of_all_that_are_and_were_there(ticks):
    async def main():
        hub = Hub()
        async with listening(hub) as listener:
            assert listener.measured(hub) is None
            async with SlowViewer(*listener.address) as one:
                one.resume()
                for count, number in enumerate((1, 2)):
                    async with Client(listener) as client:
                        await client.send(ask())
                        await client.head()
                        await until(lambda: len(hub.viewers) == 2)
                        group = group_of(listener, hub)
                        hub.publish(fake_jpeg(number))
                        size_bytes = len(hub.latest.part.length)
                        await client.exactly(size_bytes)
                        sent = 2 * (count + 1) + count  # the second one began with the first frame
                        await until(lambda sent=sent, group=group: group.totals()[0] == sent)
                    await until(lambda: len(hub.viewers) == 1)
                assert group.came == 3
                frames, dropped, sent_bytes = group.totals()
                assert (frames, dropped) == (5, 0)
                assert sent_bytes == 5 * size_bytes
            await until(lambda: not hub.viewers)
            assert group.totals() == (frames, dropped, sent_bytes)

    run(main)


def test_ages_are_kept_once_somebody_asks(ticks):
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with listening(hub, clock=clock, **SMALL) as listener:
            async with SlowViewer(*listener.address) as fast, Client(listener) as other:
                fast.resume()
                await other.send(ask())
                await until(lambda: len(hub.viewers) == 2)
                group = group_of(listener, hub)
                hub.publish(fake_jpeg(1))
                assert group.ages is None
                assert listener.measured(hub) is group
                clock.advance(1000)
                frame = Frame(fake_jpeg(2), capture_us=clock.now_us() - 40_000)
                hub.publish(frame)
                await until(lambda: sum(group.ages.counts) == 2)
                assert group.ages.sum_us == 80_000
                hub.publish(Frame(fake_jpeg(3), placeholder="no signal"))
                assert sum(group.ages.counts) == 2
            # Who is behind is counted when its frame is through.
            async with SlowViewer(*listener.address) as slow:
                await until(lambda: len(hub.viewers) == 1)
                hub.publish(fake_jpeg(4, BIG))
                clock.advance(3_000_000)
                before = sum(group.ages.counts)
                slow.resume()
                await until(lambda: sum(group.ages.counts) == before + 1)
                assert group.ages.counts[9] == 1

    run(main)


def test_a_group_that_comes_after_the_first_question_keeps_ages_from_its_beginning():
    async def main():
        hub = Hub()
        async with listening(hub) as listener:
            assert listener.measured(hub) is None
            async with SlowViewer(*listener.address):
                await until(lambda: hub.viewers)
                assert group_of(listener, hub).ages is not None

    run(main)


def test_a_placeholder_is_no_picture_of_the_camera():
    async def main():
        clock = FakeClock()
        hub = Hub("cam", clock)
        async with listening(hub, clock=clock) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            row = hub.viewers[0]
            hub.publish(fake_jpeg(1))
            await viewer.read_parts(1)
            for _ in range(3):
                clock.advance(1_000_000)
                hub.publish(Frame(fake_jpeg(9), capture_us=clock.now_us(), placeholder="lost", checked=True))
                await viewer.read_parts(1)
            assert row.row(clock.now_us())["age_ms"] == 3000

    run(main)


def test_sockets_are_told_to_queue_little():
    async def main():
        hub = Hub()
        async with listening(hub) as listener, SlowViewer(*listener.address):
            await until(lambda: hub.viewers)
            [member] = group_of(listener, hub)._viewers.values()
            assert member.sock.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT) == NOTSENT_LOWAT_BYTES
            assert member.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


# The end


def test_the_end_finishes_the_frame_in_flight(monkeypatch):
    monkeypatch.setattr(viewers_module, "DRAIN_S", LIMIT_S)

    async def main():
        hub = Hub()
        async with (
            listening(hub, **SMALL) as listener,
            SlowViewer(*listener.address) as slow,
            SlowViewer(*listener.address) as idle,
        ):
            idle.resume()
            await until(lambda: len(hub.viewers) == 2)
            hub.publish(fake_jpeg(1, BIG))
            await until(lambda: idle.parts)
            hub.publish(fake_jpeg(2, BIG))  # waits, and is not begun any more
            await until(lambda: len(idle.parts) == 2)
            end = asyncio.create_task(listener.aclose())
            await until(lambda: len(hub.viewers) == 1, "the idle one to be closed at once")
            hub.publish(fake_jpeg(3))
            assert numbers(await slow.read_parts(5)) == [1]  # whole, and then a clean end
            await end
            await idle._reader
            assert numbers(idle.parts) == [1, 2]

    run(main)


def test_the_end_does_not_wait_for_those_who_take_nothing(monkeypatch):
    monkeypatch.setattr(viewers_module, "DRAIN_S", 0.01)

    async def main():
        hub = Hub()
        async with listening(hub, **SMALL) as listener, SlowViewer(*listener.address):
            await until(lambda: hub.viewers)
            hub.publish(fake_jpeg(1, BIG))
            await until(lambda: hub.viewers[0].pending_us)
            await listener.aclose()
            assert not hub.viewers

    run(main)


def test_a_hub_that_closes_ends_its_streams_and_no_others():
    async def main():
        one, two = Hub("one"), Hub("two")
        async with (
            listening(one, two) as listener,
            SlowViewer(*listener.address, path="/cams/one/stream.jpg") as first,
            SlowViewer(*listener.address, path="/cams/two/stream.jpg") as second,
        ):
            await until(lambda: one.viewers and two.viewers)
            one.close()
            assert await first.read() == b""
            two.publish(fake_jpeg(1))
            assert numbers(await second.read_parts(1)) == [1]
            async with SlowViewer(*listener.address, path="/cams/one/stream.jpg") as late:
                assert late.status == 503

    run(main)


def test_a_hub_that_closed_before_anybody_came():
    async def main():
        hub = Hub()
        hub.close()
        with pytest.raises(HubClosed):
            ViewerGroup(hub, 1_000_000)

    run(main)


def test_a_group_that_ends_takes_no_more_and_can_be_closed_twice():
    async def main():
        hub = Hub()
        group = ViewerGroup(hub, 1_000_000)
        hub.close()
        ours, theirs = socket.socketpair()
        with theirs:
            group.add(ours, LENGTH, ViewerStats(0))
            assert ours.fileno() < 0
        await group.aclose()
        await group.aclose()
        assert repr(group) == "<ViewerGroup cam: 0 viewers, 0 behind>"

    run(main)


# Fifty


class Watcher:
    """Reads a stream to its end without looking at pictures, and notes each part's capture time."""

    def __init__(self):
        self.stamps = []

    async def watch(self, address):
        marker = b"X-Timestamp: "
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(ask())
            while line := await reader.readline():
                if line.startswith(b"Content-Length: "):
                    size_bytes = int(line[16:])
                elif line.startswith(marker):
                    self.stamps.append(line[len(marker) : -2])
                    await reader.readexactly(2 + size_bytes + 2)
        finally:
            writer.close()
            await writer.wait_closed()


class Published:
    """Notes the capture time of everything that a hub publishes."""

    def __init__(self, hub):
        self.stamps = []
        hub.attach(self)

    def offer(self, frame):
        self.stamps.append(part_header(0, frame.wall_us).split(b"X-Timestamp: ")[1].split(b"\r\n")[0])

    def end(self):
        pass


async def fifty(source, stalled, frames):
    """Have fifty watch a source for so many frames; return what each got of them, and the reads and frames meanwhile."""
    hub = Hub()
    capture = Capture(source, hub, HostEncoder(), linger_us=0)
    published = Published(hub)
    watchers = [Watcher() for _ in range(50)]
    async with listening(hub) as listener:
        tasks = [asyncio.create_task(watcher.watch(listener.address)) for watcher in watchers]
        extra = SlowViewer(*listener.address)
        if stalled:
            await extra.connect()
        await until(lambda: len(hub.viewers) == 50 + stalled)
        capture.start()
        try:
            await until(lambda: all(watcher.stamps for watcher in watchers), "everybody to have a first frame")
            begin, reads = len(published.stamps), capture.frames
            await until(lambda: len(published.stamps) >= begin + frames)
            end, reads = len(published.stamps), capture.frames - reads
            await until(lambda: all(one.stamps[-1] >= published.stamps[end - 1] for one in watchers))
        finally:
            await capture.stop()
            capture.encoder.close()
            await listener.aclose()
            await asyncio.gather(*tasks)
            await extra.aclose()
    meanwhile = set(published.stamps[begin:end])
    assert len(meanwhile) == end - begin, "two frames have one capture time"
    return [len(meanwhile & set(watcher.stamps)) for watcher in watchers], reads, end - begin


@pytest.mark.parametrize("stalled", [False, True])
@pytest.mark.parametrize("url", ["test:?size=320x240&fps=30", "fake:"])
def test_fifty_viewers_at_thirty_frames_a_second(url, stalled):
    async def main():
        clock = SystemClock()
        source = FakeSource(fps=30, clock=clock) if url == "fake:" else open_source(url)
        got, reads, published = await fifty(source, stalled, 60)
        # Each read was published once: as many reads as one viewer needs.
        assert reads == published
        assert min(got) >= 0.95 * published, (sorted(got), published)

    run(main)


@pytest.mark.parametrize("viewers", [1, 50])
def test_sensor_reads_do_not_grow_with_viewers(viewers):
    async def main():
        hub = Hub()
        source = FakeSource(clock=SystemClock())
        capture = Capture(source, hub, HostEncoder(), linger_us=0)
        watchers = [Watcher() for _ in range(viewers)]
        async with listening(hub) as listener:
            tasks = [asyncio.create_task(watcher.watch(listener.address)) for watcher in watchers]
            await until(lambda: len(hub.viewers) == viewers)
            capture.start()
            try:
                for number in range(1, 31):
                    source.give(number)
                    await until(lambda number=number: all(len(watcher.stamps) == number for watcher in watchers))
                assert (source.opens, source.reads, capture.frames, hub.published) == (1, 30, 30, 30)
            finally:
                await capture.stop()
                await listener.aclose()
                await asyncio.gather(*tasks)

    run(main)
