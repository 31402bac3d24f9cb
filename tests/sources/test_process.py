import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from manyeyes.sources import _process
from manyeyes.sources._process import Process
from tests.conftest import child_processes


class Output:
    """Collects what a process writes; `ended` is set by its end."""

    def __init__(self):
        self.data = b""
        self.ended = asyncio.Event()
        self.some = asyncio.Event()

    def __call__(self, data):
        self.data += data
        self.some.set()
        if not data:
            self.ended.set()


def shell(script):
    return ["sh", "-c", script]


def python(script):
    return [sys.executable, "-c", script]


async def gone(pid):
    """Wait until a process that need not be our child is gone, or dead and not ours to reap."""
    while True:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":  # noqa: ASYNC240  # no disk
                return
        except FileNotFoundError:
            return
        await asyncio.sleep(0.005)


def test_output_end_and_status():
    async def main():
        output = Output()
        process = Process(shell("printf hello; echo one >&2; echo 'two ' >&2; echo >&2; exit 3"), output)
        await output.ended.wait()
        await process.wait()
        assert (output.data, process.returncode, process.how, process.last_words) == (
            b"hello",
            3,
            "ended with status 3",
            "two",
        )
        await process.end()

    asyncio.run(main())


def test_all_output_is_there_when_the_end_is_seen():
    async def main():
        output = Output()
        process = Process(python("import sys; sys.stdout.write('x' * 5000000)"), output)
        await output.ended.wait()
        assert len(output.data) == 5_000_000
        await process.end()

    asyncio.run(main())


def test_output_without_a_pause_leaves_others_their_turn(monkeypatch):
    async def main():
        turns = []

        def take(data):
            turns.append("output")
            if turns.count("output") == 20:
                ended.set()

        ended = asyncio.Event()
        monkeypatch.setattr(_process, "_READ_BYTES", 4096)  # so that each time there is more
        process = Process(shell("yes"), take)
        try:
            while not ended.is_set():
                await asyncio.sleep(0)
                turns.append("other")
        finally:
            await process.end()
        assert "output output" not in " ".join(turns[: turns.index("output") + 20])

    asyncio.run(main())


def test_endless_complaints_block_nothing_and_the_last_is_kept():
    async def main():
        output = Output()
        script = "import sys\nfor i in range(20000): print('no. %d' % i, 'y' * 90, file=sys.stderr)\nprint('progress 1\\rprogress 2', file=sys.stderr)"
        process = Process(python(script), output)
        await process.wait()
        assert process.last_words == "progress 2"
        await process.end()

    asyncio.run(main())


def test_a_program_that_is_not_there():
    async def main():
        with pytest.raises(FileNotFoundError):
            Process(["no-such-program-at-all"], print)

    asyncio.run(main())


def test_it_is_asked_to_end():
    async def main():
        output = Output()
        process = Process(shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"), output)
        await output.some.wait()
        await process.end()
        assert process.returncode == 7

    asyncio.run(main())


def test_one_that_does_not_listen_is_made_to(monkeypatch):
    monkeypatch.setattr(_process, "GRACE_S", 0.1)

    async def main():
        output = Output()
        process = Process(
            python(
                "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(99)"
            ),
            output,
        )
        await output.some.wait()
        await process.end()
        assert (process.returncode, process.how) == (-signal.SIGKILL, "was ended by SIGKILL")

    asyncio.run(main())


def test_one_that_is_stopped_ends_too():
    async def main():
        output = Output()
        process = Process(shell("echo ready; kill -STOP $$; sleep 99"), output)
        await output.some.wait()
        await process.end()
        assert process.returncode == -signal.SIGTERM

    asyncio.run(main())


@pytest.mark.parametrize("how", ["end", "abandon", "exits"])
def test_what_it_has_started_ends_with_it(how):
    async def main():
        output = Output()
        tail = "exit 0" if how == "exits" else "wait"
        # The child ignores SIGTERM, and holds the output open.
        process = Process(shell(f"(trap '' TERM; sleep 99; sleep 99) & echo $!; {tail}"), output)
        await output.some.wait()
        child = int(output.data)
        if how == "exits":
            await output.ended.wait()
        elif how == "end":
            await process.end()
        else:
            process.abandon()
        await gone(child)
        await process.end()

    asyncio.run(main())


def test_one_that_left_the_group_does_not_hold_us_up(tmp_path):
    os.mkfifo(tmp_path / "away")

    async def main():
        output = Output()
        process = Process(
            shell(f"setsid sh -c 'echo $$; echo > {tmp_path}/away; exec sleep 99' & read x < {tmp_path}/away; exit 0"),
            output,
        )
        await output.ended.wait()
        assert process.how == "ended with status 0"
        os.kill(int(output.data), signal.SIGKILL)
        await process.end()

    asyncio.run(main())


def test_a_cancelled_end_kills():
    async def main():
        output = Output()
        process = Process(shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"), output)
        await output.some.wait()
        task = asyncio.create_task(process.end())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert process.returncode == -signal.SIGKILL
        assert not child_processes()

    asyncio.run(main())


def test_abandoning_twice_is_harmless():
    async def main():
        process = Process(shell("sleep 99"), Output())
        process.abandon()
        process.abandon()
        await process.end()
        assert process.returncode == -signal.SIGKILL

    asyncio.run(main())


def test_ctrl_c_in_the_terminal_is_not_for_it():
    async def main():
        output = Output()
        process = Process(shell("ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat"), output)
        await output.ended.wait()
        assert int(output.data) != os.getpgid(0)
        await process.end()

    asyncio.run(main())
