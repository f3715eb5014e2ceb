"""What becomes of the memory of 800 clients that were slow to read 1 MiB each, and what a request pays for that."""
import contextlib
import select
import socket
import statistics
import time

from measure import BENCH, PAIRS, SECONDS, args, cpu_seconds, folder, program, report, resident_kib, wrk

READERS = 200 if args.quick else 800
# Without the measures: glibc's own growing threshold, in effect, and all that is freed is kept. GLIBC_TUNABLES is the
# allocator's own way; the flag is an operator's.
TUNABLES = "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864"


@contextlib.contextmanager
def kept(data, name, measures):
    command = [BENCH / "service", "--listen", "127.0.0.1:0", "--data", data / name, "--loops", 1, "--dev"]
    if not measures:
        command = ["env", TUNABLES, *command, "--spare-memory", 1 << 40]
    with program(*command) as (url, p):
        yield url, p


def slow_readers(url, path):
    """Clients that have got the first bytes of a response of 1 MiB, and take no more."""
    host, port = url.removeprefix("http://").split(":")
    clients = []
    arrived = select.poll()
    for _ in range(READERS):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect((host, int(port)))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        arrived.register(s, select.POLLIN)
        clients.append(s)
    waiting, until = len(clients), time.time() + 120
    while waiting > 0 and time.time() < until:
        for fd, _ in arrived.poll(1000):
            arrived.unregister(fd)
            waiting -= 1
    return clients


def peak_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def after_readers(path, measures):
    with folder() as data, kept(data, "data", measures) as (url, p):
        clients = slow_readers(url, path)
        time.sleep(1)
        peak = peak_kib(p)
        for s in clients:
            s.close()
        time.sleep(2)
        left = resident_kib(p)
        return {"peak_MiB": peak / 1024, "left_MiB": left / 1024, "left_of_peak": left / peak}


def bench_left():
    for path, name in (("/body", "a plain route's"), ("/body/durable", "a run's")):
        ours = after_readers(path, True)
        report(
            "P6",
            f"{READERS} slow readers of {name} 1 MiB",
            ours,
            after_readers(path, False),
            ours["left_of_peak"],
            "2 s after they have left, of the peak; goal: 0.20; floor: the same without the measures",
        )


def load(url, p, path, connections):
    before = cpu_seconds(p)
    row = wrk(url + path, connections)
    return {**row, "cpu_us": (cpu_seconds(p) - before) / max(row["rps"] * SECONDS, 1) * 1e6}


def warm(url, path, connections):
    """Until the journal's first tables are on disk and their memory is free: from then on it is used again."""
    done, until = 2 * wrk(url + path, connections, 2)["rps"], time.time() + 90
    while path == "/one" and done < 400000 and not args.quick and time.time() < until:
        done += 4 * wrk(url + path, 256, 4)["rps"]


def bench_price():
    for path, name, connections in (
        ("/one", "one durable step", 64),
        ("/plain", "plain route", 64),
        ("/body", "plain route, 1 MiB", 16),
    ):
        rows = {True: [], False: []}
        with folder() as data, kept(data, "with", True) as with_it, kept(data, "without", False) as without:
            for url, _ in (with_it, without):
                warm(url, path, connections)
            for i in range(4 * PAIRS):
                for measures in (True, False) if i % 2 else (False, True):
                    rows[measures].append(load(*(with_it if measures else without), path, connections))
        ours, floor = ({k: statistics.median(r[k] for r in rows[m]) for k in rows[m][0]} for m in (True, False))
        of = {k: [a[k] / b[k] for a, b in zip(rows[True], rows[False])] for k in ("rps", "cpu_us")}
        report(
            "P6",
            f"{name}, c={connections}",
            ours,
            floor,
            statistics.median(of["rps"]),
            f"of rps, median of {4 * PAIRS} pairs (worst {min(of['rps']):.2f}, best {max(of['rps']):.2f}; processor "
            f"time a request {statistics.median(of['cpu_us']):.2f}); floor: without the measures; goal: 0.98",
        )


def bench_memory_back():
    bench_left()
    bench_price()


PARTS = {"memory-back": bench_memory_back}
