"""What a chunk of an event stream costs, beside a bare server that sends the same frames and keeps nothing (floor_sse):
CPU of all its threads, and how late chunks come, from the moment they were due."""
import re
import resource
import statistics
import subprocess

from measure import BENCH, PAIRS, args, cpu_seconds, folder, middle, program, report, service

SETTINGS = (
    [tuple(int(n) for n in pair.split("x")) for pair in args.streams.split(",")]
    if args.streams
    else [(1000, 20), (10000, 100)]
)
SECONDS, ROUNDS = (4, 1) if args.quick else (10, PAIRS)


def read_streams(url, server, streams, period_ms):
    """One measurement: CPU of the server in the window, for each chunk that came, and the load's own figures."""
    command = [BENCH / "stream_load", url, streams, period_ms, SECONDS]
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            lines, cpu = [], []
            for _ in range(2):
                lines.append(p.stdout.readline())
                cpu.append(cpu_seconds(server))
            got = re.match(r"chunks (\d+) of (\d+) p50_ms (\S+) p99_ms (\S+) max_ms (\S+)", p.stdout.readline())
            if lines != ["open\n", "over\n"] or not got:
                p.kill()
                raise SystemExit(f"{url} with {streams} streams: {p.stderr.read()}")
        finally:
            p.kill()
    came, due = int(got[1]), int(got[2])
    return {
        "cpu_us": (cpu[1] - cpu[0]) * 1e6 / came,
        "chunks_per_s": came / SECONDS,
        "of_those_due": came / due,
        "p50_ms": float(got[3]),
        "p99_ms": float(got[4]),
        "max_ms": float(got[5]),
    }


def ours(streams, period_ms):
    """A folder of its own each time, so that no round has the tables of another."""
    with folder() as data, service(data, "--connections-max", 20000) as (url, p):
        return read_streams(f"{url}/tokens?period_ms={period_ms}", p, streams, period_ms)


def floor(streams, period_ms):
    with program(BENCH / "floor_sse", period_ms) as (url, p):
        return read_streams(url + "/", p, streams, period_ms)


def spread(name, ratios):
    return f"{name} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def bench_streams():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for streams, period_ms in SETTINGS:
        a, b = [], []
        for _ in range(ROUNDS):
            b.append(floor(streams, period_ms))
            a.append(ours(streams, period_ms))
        ratio = {k: [x[k] / y[k] for x, y in zip(a, b)] for k in ("cpu_us", "p99_ms")}
        report(
            "P11",
            f"{streams:,} streams x {1000 / period_ms:g} chunks/s",
            middle(a),
            middle(b),
            statistics.median(ratio["cpu_us"]),
            f"of CPU a chunk; {spread('CPU', ratio['cpu_us'])}, {spread('p99', ratio['p99_ms'])}, median (best to "
            f"worst) of {ROUNDS} pairs; goals: CPU 2, p99 3, all chunks that are due",
            series="streams",
            x=streams,
            rounds=[a, b],
        )


PARTS = {"streams": bench_streams}
