"""The documents agree with the code: version, commands, links, dependencies."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import manyeyes
from manyeyes.access import passwords, sessions, throttle
from manyeyes.aio import camera
from manyeyes.arguments import parse
from manyeyes.config import Settings
from manyeyes.delivery import connection, http, limits, listener, tls, transport, turns, viewers

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/**/*.md", "tests/**/*.md", "oncam/**/*.md")
    for path in ROOT.glob(pattern)
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Drop fenced blocks and code spans: what looks like a link or a heading in there is none."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    fenced = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6} +(.+?)\s*$", fenced, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path, text: str) -> Iterator[str]:
    for target in re.findall(r"\]\(\s*<?([^)>\s]+)", without_code(text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):  # http:, mailto:
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if name and not file.exists():
            yield f"{target}: no such file"
        elif anchor and file.suffix == ".md":
            if anchor not in anchors(file.read_text(encoding="utf-8") if name else text):
                yield f"{target}: no such heading"


def has_version(changelog: str, version: str) -> bool:
    return re.search(rf"^## +\[?v?{re.escape(version)}\]?(\s|$)", changelog, flags=re.MULTILINE) is not None


def first_commands(readme: str) -> list[str]:
    """Return the first two make commands of a README, if they stand near its top."""
    return re.findall(r"\bmake [a-z-]+", "\n".join(readme.splitlines()[:30]))[:2]


def dependencies(names: list[str]) -> list[str]:
    found = [re.split(r"[\s\[<>=!~;]", name)[0] for name in names]
    return [name for name in found if name != PROJECT["name"]]


def names(text: str, dependency: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(dependency)}(?![\w-])", text, flags=re.IGNORECASE) is not None


def test_changelog_has_this_version() -> None:
    assert has_version(read("CHANGELOG.md"), manyeyes.__version__), f"no heading for {manyeyes.__version__}"


def test_readme_begins_with_the_two_commands() -> None:
    assert first_commands(read("README.md")) == ["make run", "make test"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links(path: Path) -> None:
    assert list(broken_links(path, path.read_text(encoding="utf-8"))) == []


def test_every_dependency_is_explained() -> None:
    """What the package needs stands in ARCHITECTURE.md, what only its tests need in CONTRIBUTING.md."""
    extras = PROJECT["optional-dependencies"]
    runtime = dependencies(PROJECT["dependencies"] + [d for key in extras if key != "test" for d in extras[key]])
    assert [name for name in runtime if not names(read("ARCHITECTURE.md"), name)] == []
    assert [name for name in dependencies(extras["test"]) if not names(read("CONTRIBUTING.md"), name)] == []


def test_every_dependency_is_pinned() -> None:
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in read("constraints.txt").splitlines()
        if re.match(r"[\w.-]+==[\w.]+$", line)
    }
    extras = PROJECT["optional-dependencies"]
    wanted = dependencies(PROJECT["dependencies"] + [d for key in extras for d in extras[key]])
    assert [name for name in wanted if re.sub(r"[-_.]+", "-", name).lower() not in pinned] == []


def test_readme_shows_the_example_as_it_is() -> None:
    example = read("examples/ten_lines.py").partition('"""\n\n')[2]
    assert f"```python\n{example}```" in read("README.md")


def test_command_line_page_is_what_help_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        parse(["serve", "--help"])
    assert f"```\n{capsys.readouterr().out}```" in read("docs/command-line.md")


def test_limits_in_the_documents_are_those_of_the_code() -> None:
    text = read("docs/server-behavior.md")
    for limit in (
        f"| request line | {http.REQUEST_LINE_BYTES >> 10} KiB |",
        f"| request head | {http.HEAD_BYTES >> 10} KiB, {http.HEADERS} headers, {connection.HEAD_S:g} s |",
        f"| body | {http.BODY_BYTES >> 10} KiB, {connection.BODY_S:g} s |",
        f"| TLS handshake | {transport.HANDSHAKE_S:g} s |",
        f"at most {tls.PIECE_BYTES >> 10} KiB\n  of a connection are encrypted",
        f"More\n  than {tls.EMPTY_RECORDS} records in a row",
        f"| idle keep-alive connection | {connection.KEEP_ALIVE_S:g} s |",
        f"`--max-connections` ({Settings().max_connections})",
        f"| requests on one connection | {connection.REQUESTS} |",
        f"| replies that are being sent, together | {limits.IN_FLIGHT_BYTES >> 20} MiB |",
        f"| of these, to one address | {limits.IN_FLIGHT_BYTES >> 21} MiB |",
        f"viewers of a camera are in, together | {limits.IN_FLIGHT_BYTES >> 20} MiB |",
        f"`Retry-After: {limits.RETRY_S}`",
        f"while {listener.REFUSALS} others are at it",
        f"Requests are answered {turns.EACH_ROUND} at a time",
        *(f"`{reason}`" for reason in limits.REASONS),
        f"| pieces of a response | {connection.WRITE_S:g} s each |",
        f"no more than {viewers.NOTSENT_LOWAT_BYTES >> 10} KiB of unsent bytes",
        f"for {Settings().stall_timeout_s:g} s (`--stall-timeout`)",
        f"beyond {viewers.INPUT_BYTES >> 10} KiB",
        f"a frame for {camera.SNAPSHOT_TIMEOUT_US // 1000000} s it is a 503",
        f"| sessions | {sessions.SESSIONS}, {sessions.IDLE_US // 3600000000} h without use, {sessions.LONGEST_US // 86400000000} days |",
        f"| {throttle.FREE} per address, then {throttle.FIRST_US // 1000000} s doubling to {throttle.LONGEST_US // 1000000} s |",
        f"| {passwords.THREADS}, and {passwords.WAITING - passwords.THREADS} that wait |",
    ):
        assert limit in text


def test_the_index_has_every_document() -> None:
    index = read("docs/README.md")
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [name for name in pages if f"]({name})" not in index] == []


def test_the_checks_flag_what_is_wrong() -> None:
    text = "# A Title, here\n[a](nowhere.md) [b](#a-title-here) [c](#nothing) `[d](code)` [e](https://example.org)\n"
    assert list(broken_links(ROOT / "x.md", text)) == ["nowhere.md: no such file", "#nothing: no such heading"]
    assert not has_version("## [1.2.30] - today\n", "1.2.3")
    assert has_version("## [1.2.3] - today\n", "1.2.3")
    assert first_commands("```\nmake test\nmake run\n```") == ["make test", "make run"]
    assert not names("it uses opencv-python-headless", "opencv")
