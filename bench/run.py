"""script/bench: each figure beside its floor, measured in the same run as interleaved pairs.

Prints a table; --json FILE also writes everything. --quick measures shortly (for a look, not for claims)."""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

ARGS = argparse.ArgumentParser(description=__doc__)
ARGS.add_argument("build", type=pathlib.Path)
ARGS.add_argument("--json", type=pathlib.Path)
ARGS.add_argument("--quick", action="store_true")
ARGS.add_argument("--only", help="comma-separated: coro,plain,durable,fan,memory,recovery,disk")
args = ARGS.parse_args()
SECONDS, PAIRS = (1, 1) if args.quick else (3, 3)
results = []


@contextlib.contextmanager
def program(*command, env=None):
    """A server from the build; yields (url, process)."""
    log = tempfile.TemporaryFile("w+")
    p = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                         env={**os.environ, **(env or {})})
    try:
        url, until = None, time.time() + 60
        while not url:
            log.seek(0)
            text = log.read()
            found = re.search(r"listening on (http://\S+)", text) or re.fullmatch(r"(\d+)\n", text)
            if found:
                url = found[1] if found[1].startswith("http") else f"http://127.0.0.1:{found[1]}"
            elif p.poll() is not None or time.time() > until:
                raise SystemExit(f"{command[0]} did not start:\n{text}")
            else:
                time.sleep(0.01)
        yield url, p
    finally:
        p.send_signal(signal.SIGKILL)
        p.wait()


@contextlib.contextmanager
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="stepwell-bench-", dir=os.environ.get("BENCH_TMP")))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def wrk(url, connections, seconds=None, headers=()):
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds or SECONDS}s", "--latency", "--timeout", "30s",
                          *[x for h in headers for x in ("-H", h)], url], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise SystemExit(f"{url}: {bad[1]} wrong answers\n{out}")
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "p50_ms": milliseconds(re.search(r"^ +50% +(\S+)$", out, re.M)[1]),
            "p99_ms": milliseconds(re.search(r"^ +99% +(\S+)$", out, re.M)[1])}


def middle(rows):
    return {k: statistics.median(r[k] for r in rows) for k in rows[0]}


def report(goal, name, ours, floor, ratio, note=""):
    results.append({"goal": goal, "name": name, "stepwell": ours, "floor": floor, "ratio": ratio, "note": note})
    show = lambda v: "-" if v is None else " ".join(f"{k}={x:,.2f}" if x < 100 else f"{k}={x:,.0f}" for k, x in v.items())
    print(f"{goal:4} {name:34} {show(ours):54} floor {show(floor):50} ratio {'-' if ratio is None else f'{ratio:.2f}'} {note}", flush=True)


def pairs(goal, name, ours, floor, connections, ratio_of="rps"):
    """ours and floor: functions that make one measurement."""
    a, b = [], []
    for _ in range(PAIRS):
        b.append(floor())
        a.append(ours())
    ratio = statistics.median(x[ratio_of] / y[ratio_of] for x, y in zip(a, b))
    report(goal, f"{name}, c={connections}", middle(a), middle(b), ratio, f"of {ratio_of}, median of {PAIRS} pairs")


def service(data, *flags):
    return program(args.build / "bench/service", "--listen", "127.0.0.1:0", "--data", data / "data", "--loops", 1,
                   *flags)


def bench_coro():
    path = args.build / "bench/coro_switch"
    if path.exists():
        print(subprocess.run([path], capture_output=True, text=True, check=True).stdout, end="", flush=True)


def bench_plain():
    with folder() as data, service(data) as (url, _), program(args.build / "bench/floor_hello") as (floor, _):
        for c in (1, 64, 256):
            pairs("P2", "plain route", lambda: wrk(url + "/plain", c), lambda: wrk(floor + "/", c), c)


def bench_durable():
    for goal, path, entry in (("P3", "/one", 150), ("P4", "/ten", 1500)):
        with folder() as data, service(data) as (url, _), \
                program(args.build / "bench/durable_ceiling", entry, data / "ceiling") as (floor, _):
            for c in (1, 64, 256):
                pairs(goal, f"{path[1:]} durable step{'s' if path == '/ten' else ''}", lambda: wrk(url + path, c),
                      lambda: wrk(floor + "/", c), c, "p50_ms" if c == 1 else "rps")


def bench_fan():
    raw = args.build / "bench/raw_curl"
    with folder() as data, program(args.build / "bench/delay_server", 50) as (upstream, _), \
            service(data, "--upstream", upstream + "/", "--upstream-connections", 10000) as (url, _):
        for c in (1, 64, 256):
            def floor():
                out = subprocess.run([raw, upstream + "/", str(c * 20), str(SECONDS)], capture_output=True, text=True, check=True).stdout
                return {"calls": float(re.search(r"([\d.]+) calls/s", out.replace(",", ""))[1])}

            def ours():
                one = wrk(url + "/fan", c)
                return {"calls": one["rps"] * 20, **one}

            if raw.exists():
                pairs("P5", "20 parallel calls of 50 ms", ours, floor, c, "calls")
            else:
                report("P5", f"20 parallel calls of 50 ms, c={c}", middle([ours() for _ in range(PAIRS)]), None, None)


def resident_kib(process):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])


def metric(url, name):
    out = subprocess.run(["curl", "-s", url + "/_sw/metrics"], capture_output=True, text=True, check=True).stdout
    return int(re.search(rf"^stepwell_{name} (\d+)", out, re.M)[1])


def sleepers(url, count):
    """Makes runs that sleep an hour; returns how many there are."""
    while metric(url, "runs_unfinished") < count:
        subprocess.run(["wrk", "-t1", "-c64", "-d1s", "-H", "Prefer: respond-async", url + "/sleep"], capture_output=True, check=True)
    until = time.time() + 60
    while metric(url, "runs_in_memory") > 0 and time.time() < until:
        time.sleep(0.1)
    return metric(url, "runs_unfinished")


def bench_memory():
    waiting = 500 if args.quick else 4000
    with folder() as data, program(args.build / "bench/delay_server", 3000) as (upstream, _), \
            service(data, "--upstream", upstream + "/", "--upstream-connections", 10000, "--dev") as (url, p):
        wrk(url + "/one", 64, 1)
        before = resident_kib(p)
        load = subprocess.Popen(["wrk", "-t1", f"-c{waiting}", "-d5s", "--timeout", "30s", url + "/wait"], stdout=subprocess.DEVNULL)
        time.sleep(2.5)
        runs, now = metric(url, "runs_in_memory"), resident_kib(p)
        load.wait()
        report("P6", f"{runs} runs that wait on a call", {"KiB_each": (now - before) / max(runs, 1)}, None, None,
               "curl handle, sockets and buffers included")
    with folder() as data, service(data, "--dev") as (url, p):
        wrk(url + "/one", 64, 1)
        before = resident_kib(p)
        count = sleepers(url, 20000 if args.quick else 200000)
        report("P6", f"{count} parked runs", {"bytes_each": (resident_kib(p) - before) * 1024 / count}, None, None,
               "store caches that grew meanwhile included")


def bench_recovery():
    with folder() as data:
        with service(data, "--dev", "--park-after", "1h") as (url, p):
            pass
        with service(data, "--dev") as (url, p):
            count = sleepers(url, 20000 if args.quick else 100000)
        began = time.time()
        with service(data, "--dev", "--park-after", "2h", "--runs-max", 10000000) as (url, p):
            listening = time.time() - began
            until = time.time() + 120
            while metric(url, "runs_unfinished") < count and time.time() < until:
                time.sleep(0.02)
            report("P7", f"recovery of {count} runs of 5 steps", {"listening_s": listening, "all_known_s": time.time() - began}, None, None)


def tables_bytes(data):
    return sum(f.stat().st_size for f in (data / "data/journal").iterdir() if f.suffix in (".sst", ".blob"))


def bench_disk():
    """Bytes of the journal for each run: as they are written to the log, and as they stay in tables and blob files."""
    for name, path, headers in (("1 step", "/one", ()), ("10 steps", "/ten", ()),
                                ("5 steps and a sleep", "/sleep", ("Prefer: respond-async",)),
                                ("1 step with a result of 100 KB", "/large", ())):
        with folder() as data:
            with service(data, "--dev") as (url, p):
                wrk(url + path, 64, headers=headers)
                runs, written = metric(url, "runs_started_total"), metric(url, "journal_bytes_total")
            with service(data, "--dev"):  # opening the journal writes what was in the log to tables
                kept = tables_bytes(data)
            report("-", f"{runs} runs of {name}", {"log_bytes_each": written / runs, "table_bytes_each": kept / runs}, None, None)


PARTS = {"coro": bench_coro, "plain": bench_plain, "durable": bench_durable, "fan": bench_fan, "memory": bench_memory,
         "recovery": bench_recovery, "disk": bench_disk}
for part in (args.only.split(",") if args.only else PARTS):
    PARTS[part]()
if args.json:
    args.json.write_text(json.dumps({"machine": platform.platform(), "cores": os.cpu_count(), "time": time.time(),
                                     "results": results}, indent=1))
