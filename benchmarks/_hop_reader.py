"""A viewer that watches every machine of a chain at once: `_hop_reader.py SECONDS SKIP_S PORT:PID...`.

The same picture, known by its X-Timestamp, arrives from each machine: what a hop adds is the time between two arrivals,
picture by picture and by one clock. Machines are given in the order of the chain, all on 127.0.0.1. Prints JSON: for
each machine its pictures, its CPU time in all threads, and what its hop added; the first SKIP_S seconds do not count.
"""

import json
import selectors
import socket
import sys
import time

from manyeyes.core.multipart_parser import MultipartParser

REQUEST = b"GET /stream.jpg?framing=length HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n"
READ_BYTES = 1 << 20
START_S = 20.0


class Machine:
    """One machine's stream."""

    def __init__(self, place: str) -> None:
        port, pid = map(int, place.split(":"))
        self.arrivals_s: dict[str, float] = {}
        self._parser = MultipartParser("frame")
        self._clock = (~pid << 3) | 2  # clock_getcpuclockid(3) of Linux: all threads of a process
        self._begin_cpu_s = 0.0
        until_s = time.monotonic() + START_S
        while not self._ask(port):  # a router has no camera until it has heard of it
            if time.monotonic() > until_s:
                raise RuntimeError(f"port {port} has no stream within {START_S:g} s")
            time.sleep(0.05)

    def _ask(self, port: int) -> bool:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=START_S)
        self.sock.sendall(REQUEST)
        head = b""
        while b"\r\n\r\n" not in head and (data := self.sock.recv(READ_BYTES)):
            head += data
        if not head.startswith(b"HTTP/1.1 200"):
            self.sock.close()
            return False
        self._parser.feed(head.partition(b"\r\n\r\n")[2])
        return True

    def read(self) -> None:
        data = self.sock.recv(READ_BYTES)
        if not data:
            raise RuntimeError("the server ended the stream")
        now_s = time.monotonic()
        for headers, _ in self._parser.feed(data):
            if "x-placeholder" not in headers:
                self.arrivals_s[headers["x-timestamp"]] = now_s

    def begin(self) -> None:
        self.arrivals_s.clear()
        self._begin_cpu_s = time.clock_gettime(self._clock)

    def cpu_s(self) -> float:
        return time.clock_gettime(self._clock) - self._begin_cpu_s


def added(before: Machine, machine: Machine) -> list[float]:
    """Return what a hop added to each picture, in order of size."""
    both = machine.arrivals_s.keys() & before.arrivals_s.keys()
    return sorted(machine.arrivals_s[one] - before.arrivals_s[one] for one in both)


def main() -> None:
    seconds, skip_s = map(float, sys.argv[1:3])
    machines = [Machine(place) for place in sys.argv[3:]]
    selector = selectors.DefaultSelector()
    for machine in machines:
        selector.register(machine.sock, selectors.EVENT_READ, machine)
    for begin, until_s in ((False, skip_s), (True, seconds)):
        if begin:
            for machine in machines:
                machine.begin()
        end_s = time.monotonic() + until_s
        while (left_s := end_s - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                key.data.read()
    results = []
    for number, machine in enumerate(machines):
        result = {"frames": len(machine.arrivals_s), "cpu_s": machine.cpu_s(), "p50_s": None, "p99_s": None}
        if number:
            added_s = added(machines[number - 1], machine)
            result |= {"p50_s": added_s[len(added_s) // 2], "p99_s": added_s[len(added_s) * 99 // 100]}
        results.append(result)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
