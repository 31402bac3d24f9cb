import io
import os

from manyeyes.progress import Progress, amount


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_written_over_and_taken_away(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 5)))
    terminal = Terminal()
    progress = Progress(terminal)
    progress("one")
    progress("two " * 10)
    progress.end()
    progress.end()
    assert terminal.getvalue() == "\rone\x1b[K\rtwo two two two two\x1b[K\r\x1b[K"


def test_what_is_no_terminal_gets_nothing():
    file = io.StringIO()
    progress = Progress(file)
    progress("one")
    progress.end()
    assert file.getvalue() == ""


def test_amounts():
    assert [amount(one) for one in (None, 0, 999, 86_300, 2_590_000, 5e9)] == [
        "0 bytes", "0 bytes", "999 bytes", "86.3 KB", "2.59 MB", "5 GB",
    ]  # fmt: skip
