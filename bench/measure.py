"""What the parts of script/bench share: programs and their load, memory and metrics, reports."""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time

import programs
from programs import folder, output, program

ARGS = argparse.ArgumentParser(
    description="Each figure beside its floor, measured in the same run as interleaved pairs."
)
ARGS.add_argument("build", type=pathlib.Path)
ARGS.add_argument("--json", type=pathlib.Path, help="also write all of it there")
ARGS.add_argument("--quick", action="store_true", help="measure shortly: for a look, not for claims")
ARGS.add_argument("--only", help="names of parts, with commas between")
ARGS.add_argument("--journal-gb", type=float, help="size of the large journal; default 1")
ARGS.add_argument("--long-seconds", type=int, help="length of the long run; default 90")
ARGS.add_argument(
    "--streams", metavar="NxMS,...", help="streams and ms from chunk to chunk of each; default 1000x20,10000x100"
)
ARGS.add_argument("--tail-seconds", type=int, help="length of a round of the part tail; default 120")
args = ARGS.parse_args()
SECONDS, PAIRS = (1, 1) if args.quick else (2, 5)
BENCH = args.build / "bench"
results = []
failures = []  # names of what could not be measured


@contextlib.contextmanager
def go_on(name):
    """What fails within is named, and ends nothing else: the parts of an hour are not lost for one of them."""
    try:
        yield
    except (SystemExit, Exception) as error:
        failures.append(name)
        said = (getattr(error, "stderr", None) or "").strip()  # of a program that the part has run
        print(f"!    {name}: {error if isinstance(error, SystemExit) else repr(error)} {said}", flush=True)


def service(data, *flags, loops=1):
    return program(
        BENCH / "service",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data / "data",
        "--loops",
        loops,
        "--dev",
        "--admin-on-public",
        *flags,
    )


def wrk(url, connections, seconds=None, headers=()):
    return programs.wrk(url, connections, seconds or SECONDS, headers)


@contextlib.contextmanager
def background(url, connections, seconds, *flags):
    p = subprocess.Popen(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{seconds}s", *flags, url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield p
    finally:
        p.kill()
        p.wait()


def at_rate(url, rate, seconds, connections, *windows):
    """As often as said, whatever the answers do."""
    out = output(BENCH / "open_load", url, rate, seconds, connections, *windows)
    fields = out.split()
    return {k: float(v) for k, v in zip(fields[::2], fields[1::2])}


def latencies(row):
    return {k: row[k] for k in ("p50_ms", "p99_ms", "max_ms")}


def resident_kib(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(path):
    """Files come and go while it looks."""
    total = 0
    for where, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(where, name)).st_size
    return total / 1e6


def metric(url, name):
    return int(re.search(rf"^stepwell_{name} (\d+)", output("curl", "-s", url + "/_sw/metrics"), re.M)[1])


def await_metric(url, name, good, seconds):
    until = time.time() + seconds
    while not good(value := metric(url, name)) and time.time() < until:
        time.sleep(0.02)
    return value


def middle(rows):
    return {k: statistics.median(r[k] for r in rows) for k in rows[0]}


def report(goal, name, ours, floor=None, ratio=None, note="", **more):
    """`more` is for the plots: series, x, rows."""
    results.append({"goal": goal, "name": name, "stepwell": ours, "floor": floor, "ratio": ratio, "note": note, **more})
    show = (
        lambda v: "-" if v is None else " ".join(f"{k}={x:,.2f}" if x < 100 else f"{k}={x:,.0f}" for k, x in v.items())
    )
    print(
        f"{goal:4} {name:38} {show(ours)}"
        + (f" | floor {show(floor)}" if floor else "")
        + ("" if ratio is None else f" | ratio {ratio:.2f}")
        + (f" ({note})" if note else ""),
        flush=True,
    )


def pairs(goal, name, ours, floor, connections, ratio_of="rps", series=None):
    """ours and floor: functions that make one measurement."""
    a, b = [], []
    for _ in range(PAIRS):
        b.append(floor())
        a.append(ours())
    ratio = statistics.median(x[ratio_of] / y[ratio_of] for x, y in zip(a, b))
    report(
        goal,
        f"{name}, c={connections}",
        middle(a),
        middle(b),
        ratio,
        f"of {ratio_of}, median of {PAIRS} pairs",
        series=series,
        x=connections,
    )


def write_json():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    if args.json:
        args.json.write_text(
            json.dumps(
                {
                    "machine": platform.platform(),
                    "cpu": cpu[1] if cpu else "",
                    "cores": os.cpu_count(),
                    "time": time.time(),
                    "quick": args.quick,
                    "results": results,
                },
                indent=1,
            )
        )
