#!/usr/bin/env python3
"""Run a command as root in a virtual machine with Debian's kernel and the modules it needs.

For tests that need drivers which this machine's kernel lacks: V4L2's own test device `vivid`, a USB camera over USB/IP.

    tools/guest.py --module vhci_hcd --module "vivid n_devs=2" -- ls -l /dev/video0

The guest sees all files of this machine, at the same paths, under an overlay that is thrown away; `--share DIR` is
the one folder where what it writes is kept. Environment and working directory are the caller's. The command's output
(both kinds) comes out on stdout, its exit status is the program's. There is no network but loopback.

Root is not needed: QEMU emulates (TCG), and the kernel's package is downloaded and unpacked into build/guest, not
installed. The first run takes half a minute, a later one 5 s more than its command. Python is about 14 times slower inside.

Exit status: the command's; 3: cannot work on this machine (a package is missing; stderr says which); 124: time is up;
125: the guest broke down (its console is on stderr).
"""

import argparse
import fcntl
import lzma
import os
import platform
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / "build" / "guest"
QEMU = "qemu-system-x86_64"
PACKAGES = {QEMU: "qemu-system-x86", "busybox": "busybox-static", "dpkg-deb": "dpkg", "apt-get": "apt"}
META_PACKAGE = "linux-image-amd64"  # depends on the newest kernel of the release
# What the first process needs before it sees this machine's files.
BOOT_MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
DOWNLOAD_S = 600

CANNOT, TIME_IS_UP, BROKE_DOWN = 3, 124, 125


class CannotError(Exception):
    """This machine lacks something; the message says what, and how to get it."""


def find_programs() -> dict[str, str]:
    """Return the paths of the programs that are needed.

    Raises:
        CannotError: If one is missing, with the packages that have them.
    """
    if platform.machine() != "x86_64" or sys.platform != "linux":
        raise CannotError(f"the guest needs Linux on x86_64, this is {sys.platform} on {platform.machine()}")
    found = {name: shutil.which(name) for name in PACKAGES}
    missing = [PACKAGES[name] for name, path in found.items() if path is None]
    # Debian's package `busybox` has the same program, but one that needs libraries: there are none in the ramdisk.
    if found["busybox"] and b"/ld-linux" in Path(found["busybox"]).read_bytes():
        missing.append(PACKAGES["busybox"])
    if missing:
        raise CannotError(f"missing: {' '.join(missing)}; install: apt-get install {' '.join(missing)}")
    return {name: path for name, path in found.items() if path}


class Kernel:
    """A kernel that was unpacked: its image, its release, and its modules.

    Attributes:
        image: What QEMU boots.
        modules: The folder with one folder per release, as /lib/modules is.
        release: As `uname -r` prints it.
    """

    def __init__(self, folder: Path) -> None:
        self.image = folder / "vmlinux"
        self.modules = folder / "lib" / "modules"
        self.release = next(self.modules.iterdir()).name

    def files_of(self, names: tuple[str, ...]) -> list[str]:
        """Return these modules' files and all that they depend on, relative to the release's folder."""
        files: list[str] = []
        wanted = [rf"/{name}\.ko(\.xz)?$" for name in names]
        for line in (self.modules / self.release / "modules.dep").read_text().splitlines():
            file, _, needs = line.partition(":")
            if any(re.search(pattern, f"/{file}") for pattern in wanted):
                files += [file, *needs.split()]
        return list(dict.fromkeys(files))


def prepare(programs: dict[str, str]) -> Kernel:
    """Return the kernel, downloaded and unpacked at the first call.

    Raises:
        CannotError: If the download fails.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once download once
        folder = CACHE / "kernel"
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="unfinished-") as unfinished:
                _unpack(_download(Path(unfinished)), Path(unfinished) / "kernel", programs)
                (Path(unfinished) / "kernel").rename(folder)
        return Kernel(folder)


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DOWNLOAD_S
    )
    if done.returncode:
        raise CannotError(f"{shlex.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _download(folder: Path) -> Path:
    """Download the kernel's package and return its path."""
    try:
        depends = _run("apt-cache", "depends", META_PACKAGE)
    except CannotError:
        depends = ""
    names = re.findall(r"Depends: (linux-image-[\w.+-]+)", depends)
    if not names:
        raise CannotError(
            f"apt knows no package {META_PACKAGE}: expected Debian with package lists; try: apt-get update"
        )
    print(f"guest: downloading {names[0]} (once)", file=sys.stderr)
    # Root's apt would drop its rights and then could not write into our folder.
    _run("apt-get", "--quiet", "-o", "APT::Sandbox::User=root", "download", names[0], cwd=folder)
    return next(folder.glob("*.deb"))


def _unpack(package: Path, folder: Path, programs: dict[str, str]) -> None:
    folder.mkdir()
    _run("dpkg-deb", "--extract", str(package), str(folder))
    if not (folder / "lib").exists():  # newer releases have all of /lib in /usr/lib
        (folder / "lib").symlink_to("usr/lib")
    release = next((folder / "lib" / "modules").iterdir()).name
    for file in (folder / "lib" / "modules").rglob("*.ko.xz"):  # busybox does not load compressed ones
        file.with_suffix("").write_bytes(lzma.decompress(file.read_bytes()))
        file.unlink()
    _run(programs["busybox"], "depmod", "-b", str(folder), release)
    (folder / "vmlinux").write_bytes(_uncompressed((folder / "boot" / f"vmlinuz-{release}").read_bytes()))


def _uncompressed(image: bytes) -> bytes:
    """Return the kernel inside of a compressed image: the guest would take seconds to unpack it at every start."""
    start = image.find(b"\xfd7zXZ\0")
    return lzma.LZMADecompressor().decompress(image[start:]) if start >= 0 else image


def ramdisk(files: dict[str, bytes]) -> bytes:
    """Return an initial ramdisk (a cpio archive, "newc") with these files, all of them executable."""
    folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    entries = [(name, 0o040755, b"") for name in sorted(folders)]
    entries += [(name, 0o100755, data) for name, data in files.items()]
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def script(command: list[str]) -> str:
    """Return the shell script that runs a command with this process's environment and working directory."""
    exports = [
        f"export {name}={shlex.quote(value)}" for name, value in os.environ.items() if re.fullmatch(r"\w+", name)
    ]
    return "\n".join([*exports, f"cd {shlex.quote(os.getcwd())}", f"exec {shlex.join(command)}", ""])


def run(kernel: Kernel, programs: dict[str, str], options: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    share = options.share.resolve() if options.share else None
    settings = f"module_folder={shlex.quote(str(kernel.modules))}\nshare={shlex.quote(str(share or ''))}\n"
    release = Path("lib/modules") / kernel.release
    files = {
        "init": (HERE / "guest-init").read_bytes(),
        "bin/busybox": Path(programs["busybox"]).read_bytes(),
        "settings": settings.encode(),
        "modules": "".join(f"{module}\n" for module in options.module).encode(),
        "command": script(options.command).encode(),
        str(release / "modules.dep"): (kernel.modules / kernel.release / "modules.dep").read_bytes(),
    }
    for file in kernel.files_of(BOOT_MODULES):
        files[str(release / file)] = (kernel.modules / kernel.release / file).read_bytes()
    with tempfile.TemporaryDirectory(prefix="guest-") as name:
        folder = Path(name)
        (folder / "ramdisk").write_bytes(ramdisk(files))
        reader, writer = os.pipe()
        command = [
            programs[QEMU], "-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", str(options.cpus), "-m", f"{options.memory}M",
            "-kernel", str(kernel.image), "-initrd", str(folder / "ramdisk"),
            # A guest that breaks down is to end at once, and to say so on its console.
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
            "-chardev", f"file,id=console,path={folder}/console", "-serial", "chardev:console",
            "-device", "virtio-serial",
            "-add-fd", f"fd={writer},set=1",
            "-chardev", "file,id=output,append=on,path=/dev/fdset/1", "-device", "virtserialport,nr=1,chardev=output",
            "-chardev", f"file,id=status,path={folder}/status", "-device", "virtserialport,nr=2,chardev=status",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ]  # fmt: skip
        if share:
            command += ["-virtfs", f"local,path={share},mount_tag=share,security_model=none"]
        if not run_machine(command, reader, writer, options.timeout):
            print(f"guest: not done within {options.timeout:g} s", file=sys.stderr)
            return TIME_IS_UP
        status = (folder / "status").read_text().strip() if (folder / "status").exists() else ""
        if status.isdigit():
            return int(status)
        console = (folder / "console").read_text(errors="replace") if (folder / "console").exists() else ""
        print("guest: it broke down; its console:", *console.splitlines()[-40:], sep="\n  ", file=sys.stderr)
        return BROKE_DOWN


def run_machine(command: list[str], reader: int, writer: int, limit_s: float) -> bool:
    """Run QEMU, and copy what the guest writes into a pipe to stdout; return False if it had to be ended.

    A pipe of our own, for QEMU would truncate a file that stdout is, and stop writing once its stdin is at its end.
    """
    deadline = time.monotonic() + limit_s
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[writer])
    os.close(writer)
    try:
        while (left_s := deadline - time.monotonic()) > 0:
            if not select.select([reader], [], [], left_s)[0]:
                continue
            data = os.read(reader, 65536)
            if not data:  # QEMU has ended, or is about to
                machine.wait(left_s)
                return True
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return False
    finally:
        machine.kill()
        machine.wait()
        os.close(reader)


def parse() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog="See the file's head for more."
    )
    parser.add_argument("--module", action="append", default=[], metavar="NAME [ARG ...]",
                        help='a kernel module to load, with its arguments: "vivid n_devs=2"; can be repeated, in order')  # fmt: skip
    parser.add_argument("--share", type=Path, metavar="DIR", help="a folder where what the command writes is kept")
    parser.add_argument("--timeout", type=float, default=300, metavar="S", help="end it after this long (300 s)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB", help="of the guest (2048 MiB)")
    parser.add_argument("--cpus", type=int, default=2, metavar="N", help="of the guest (2)")
    parser.add_argument("--prepare", action="store_true", help="only see that it can work, and download the kernel")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="and its arguments")
    options = parser.parse_args()
    if options.command[:1] == ["--"]:
        del options.command[0]
    if bool(options.command) == options.prepare:
        parser.error("expected either a command or --prepare")
    return options


def main() -> int:
    """Do what the command line asks for."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that QEMU ends with this process
    try:
        programs = find_programs()
        kernel = prepare(programs)
    except (CannotError, subprocess.TimeoutExpired) as error:
        print(f"guest: {error}", file=sys.stderr)
        return CANNOT
    return 0 if options.prepare else run(kernel, programs, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
