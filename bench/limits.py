"""The parts of script/bench that look at limits: loops, long runs, heavy neighbours, overload."""
import re
import resource
import select
import socket
import statistics
import time

from measure import (
    SECONDS,
    args,
    at_rate,
    background,
    cpu_seconds,
    folder,
    latencies,
    megabytes,
    metric,
    output,
    report,
    resident_kib,
    service,
    wrk,
)


def cost_us(url, process, c):
    before = cpu_seconds(process)
    row = wrk(url, c)
    return (cpu_seconds(process) - before) / (row["rps"] * SECONDS) * 1e6


def bench_loops():
    """P9: what a request costs must not depend on the number of loops."""
    with folder() as one, folder() as two, service(one, loops=1) as (url1, p1), service(two, loops=2) as (url2, p2):
        for path in ("/plain", "/one"):
            a, b = [], []
            for _ in range(1 if args.quick else 5):
                a.append(cost_us(url1 + path, p1, 128))
                b.append(cost_us(url2 + path, p2, 128))
            report(
                "P9",
                f"CPU of {path} with 2 loops, c=128",
                {"us": statistics.median(b)},
                {"us": statistics.median(a)},
                statistics.median(y / x for x, y in zip(a, b)),
                "floor: 1 loop, all threads; the goal is 1",
            )


def bench_long():
    """P9: at full speed, with a retention so short that runs are deleted as fast as they are made."""
    seconds = args.long_seconds or (9 if args.quick else 90)
    with folder() as data, service(data, "--retain", "3s" if args.quick else "20s") as (url, p):
        rows, made, began = [], 0, time.time()
        while time.time() - began < seconds:
            row = wrk(url + "/one", 64, 3)
            made += row["rps"] * 3
            rows.append(
                {
                    "s": time.time() - began,
                    "rps": row["rps"],
                    "p99_ms": row["p99_ms"],
                    "disk_MB": megabytes(data / "data"),
                    "MiB": resident_kib(p) / 1024,
                }
            )
        third = max(1, len(rows) // 3)
        first, last = (statistics.median(r["rps"] for r in part) for part in (rows[:third], rows[-third:]))
        report(
            "P9",
            f"{made:,.0f} runs in {seconds} s",
            {"rps": last, "disk_MB": rows[-1]["disk_MB"], "MiB": rows[-1]["MiB"]},
            {"rps": first},
            last / first,
            f"last third to first; an hour of {made / 3600:,.0f} requests/s",
            rows=rows,
            series="long",
        )


def bench_neighbours():
    """What small runs feel beside a handler that computes, and beside fan-outs of 1,000 steps."""
    with folder() as data, service(data) as (url, _):
        alone = at_rate(url + "/one", 200, 2 * SECONDS, 32)
        with background(url + "/compute", 1, 30):
            beside = at_rate(url + "/one", 200, 2 * SECONDS, 32)
        report(
            "-",
            "one step beside handlers that compute",
            latencies(beside),
            latencies(alone),
            None,
            "one of 50 ms after the other; floor: alone",
        )
        with background(url + "/wide", 4, 30):
            beside = at_rate(url + "/one", 200, 2 * SECONDS, 32)
        report(
            "-",
            "one step beside 4 fan-outs of 1,000",
            latencies(beside),
            latencies(alone),
            None,
            "one after the other on 4 connections; floor: alone",
        )


def slow_reader(address, path):
    s = socket.create_connection(address)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\nAccept: text/event-stream\r\n\r\n".encode())
    return s


def bench_slow_readers():
    count = 1000 if args.quick else 10000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with folder() as data, service(data, "--connections-max", 20000) as (url, p):
        head = output(
            "curl", "-s", "-D-", "-o/dev/null", "-H", "Accept: text/event-stream", url + "/stream", "--max-time", 5
        )
        body = output("curl", "-s", "-H", "Accept: text/event-stream", url + "/stream")
        stream = re.search(r'"streamUrl":"http://[^/]+([^"]+)"', body)[1]
        address = re.search(r"http://([^:]+):(\d+)", url).groups()
        before = resident_kib(p)
        readers = [slow_reader((address[0], int(address[1])), stream) for _ in range(count)]
        arrived = select.poll()
        arrived.register(readers[-1], select.POLLIN)
        arrived.poll(30000)
        time.sleep(1)
        alone = at_rate(url + "/one", 200, SECONDS, 32)
        report(
            "-",
            f"{count} readers that read nothing of 1 MiB",
            {"KiB_each": (resident_kib(p) - before) / count, "p99_ms": alone["p99_ms"]},
            None,
            None,
            "process memory each; p99 of one step meanwhile",
        )
        for s in readers:
            s.close()
        assert "200" in head.splitlines()[0]


def bench_overload():
    """With so many connections that no request waits for a free one: each client is one of its own."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with folder() as data, service(data, "--runs-max", 1000, "--connections-max", 20000) as (url, _):
        most = wrk(url + "/one", 200)
        row = at_rate(url + "/one", 2 * most["rps"], 3 * SECONDS, 8000)
        took = 3 * SECONDS
        report(
            "-",
            "twice the load it can take",
            {
                "ok_per_s": row["ok"] / took,
                "refused_per_s": row["refused"] / took,
                "without_retry_after": row["unsaid"],
                "lost": row["other"],
                "p99_ms": row["p99_ms"],
                "answer_p99_ms": row["answer_p99_ms"],
            },
            most,
            row["ok"] / took / most["rps"],
            "--runs-max 1000; answer: from when the request was sent; ratio: admitted a second to the most without "
            "overload",
        )


def bench_large_journal():
    size_mb = 1000 * (args.journal_gb or (0.1 if args.quick else 1))
    with folder() as data:
        with service(data) as (url, _):
            small = wrk(url + "/one", 16)
            while megabytes(data / "data") < size_mb:
                wrk(url + "/ten", 256, 1)  # many small runs in the tables, large results in blob files
                wrk(url + "/large", 64, 2)
        began = time.time()
        with service(data) as (url, p):
            listening = time.time() - began
            rows = [wrk(url + "/one", 16) for _ in range(1 if args.quick else 3)]
            large = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
            report(
                "-",
                f"one step with a journal of {megabytes(data / 'data'):,.0f} MB, c=16",
                {**large, "listening_s": listening, "MiB": resident_kib(p) / 1024},
                small,
                large["p50_ms"] / small["p50_ms"],
                "p50 to that of the new journal",
            )


def tables_bytes(data):
    return sum(f.stat().st_size for f in (data / "data/journal").iterdir() if f.suffix in (".sst", ".blob"))


def bench_disk():
    """Bytes of the journal for each run: as they are written to the log, and as they stay in tables and blob files."""
    for name, path, headers in (
        ("1 step", "/one", ()),
        ("10 steps", "/ten", ()),
        ("5 steps and a sleep", "/sleep", ("Prefer: respond-async",)),
        ("1 step with a result of 100 KB", "/large", ()),
    ):
        with folder() as data:
            with service(data) as (url, _):
                wrk(url + path, 64, headers=headers)
                runs, written = metric(url, "runs_started_total"), metric(url, "journal_bytes_total")
            with service(data):  # opening the journal writes what was in the log to tables
                kept = tables_bytes(data)
            report("-", f"{runs} runs of {name}", {"log_bytes_each": written / runs, "table_bytes_each": kept / runs})


PARTS = {
    "loops": bench_loops,
    "long": bench_long,
    "neighbours": bench_neighbours,
    "slow-readers": bench_slow_readers,
    "overload": bench_overload,
    "large-journal": bench_large_journal,
    "disk": bench_disk,
}
