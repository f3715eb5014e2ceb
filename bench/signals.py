"""The parts of script/bench about runs that wait: for a signal, very many of them, and for their children."""
import contextlib
import pathlib
import re
import statistics
import time

from measure import (
    BENCH,
    PAIRS,
    SECONDS,
    args,
    at_rate,
    await_metric,
    background,
    folder,
    metric,
    middle,
    output,
    program,
    report,
    resident_kib,
    service,
    wrk,
)
from programs import milliseconds

HERE = pathlib.Path(__file__).parent
ENTRY_BYTES = 150
CLIENTS = 64
CUT_OFF = 2 * CLIENTS  # wrk ends amid its last signals, and so does the load beside them
REST_MS = 20  # until the run has left memory
RATE = 1000 // REST_MS  # of the floor's first request: a machine that has rested is slower, for both


def trip(url, path, runs):
    fields = output(BENCH / "signal_trip", url + path, runs, REST_MS).split()
    return {k.replace("_us", "_ms"): float(v) / 1000 for k, v in zip(fields[::2], fields[1::2])}


def bench_signal():
    """From the request with the signal to the handler's next line; the floor is two commits, one after the other."""
    runs = 50 if args.quick else 500
    with folder() as data, service(data) as (url, _), program(
        BENCH / "durable_ceiling", ENTRY_BYTES, data / "ceiling"
    ) as (ceiling, _):
        ours, floor = [], []
        for _ in range(PAIRS):
            rested, at_once = at_rate(ceiling + "/", RATE, SECONDS, 1), wrk(ceiling + "/", 1)
            floor.append({"p50_ms": rested["p50_ms"] + at_once["p50_ms"]})
            ours.append(trip(url, "/signalled", runs))
        ratio = statistics.median(a["p50_ms"] / b["p50_ms"] for a, b in zip(ours, floor))
        note = f"floor: a request of the ceiling after a rest of {REST_MS} ms, and one right behind it; goal: 1 ms"
        report("W1", "a signal to the handler's next line", middle(ours), middle(floor), ratio, note)
        for steps in (100, 1000, 9999):
            rows = [trip(url, f"/signalled?steps={steps}", 5 if args.quick else 20) for _ in range(PAIRS)]
            report("W1", f"the same, a run of {steps:,} steps", middle(rows), series="wake", x=steps)


def begin_waiting(url, paths, count):
    """Has `count` runs wait, or more; the addresses of the signals of `count` of them are in the file `paths`."""
    while not paths.exists() or paths.read_bytes().count(b"\n") < count:
        seconds = 1 if args.quick else 3
        load = ("wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "-s", HERE / "signals_begin.lua")
        output(*load, url + "/signalled", "--", paths)
    await_metric(url, "runs_in_memory", lambda n: n == 0, 60)


def signal_all(url, paths):
    """A signal to each of them, as fast as they are acknowledged."""
    load = ("wrk", "-t1", f"-c{CLIENTS}", f"-d{SECONDS}s", "--latency", "-s", HERE / "signals.lua")
    out = output(*load, url, "--", paths)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise SystemExit(f"{bad[1]} signals were refused\n{out}")
    return {
        "sent": int(re.search(r"(\d+) requests in", out)[1]),
        "signals": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
        "p50_ms": milliseconds(re.search(r"^ +50% +(\S+)", out, re.M)[1]),
        "p99_ms": milliseconds(re.search(r"^ +99% +(\S+)", out, re.M)[1]),
    }


def signals_beside(load):
    """One round with new runs; `load`: beside one step that is asked for by 16 clients."""
    with folder() as data, service(data) as (url, _):
        begin_waiting(url, data / "paths", 30000 if args.quick else 80000)
        with background(url + "/one", 16, 2 * SECONDS) if load else contextlib.nullcontext():
            count, before = metric(url, "runs_unfinished"), metric(url, "runs_started_total")
            row = signal_all(url, data / "paths")
            if load:
                row["steps"] = (metric(url, "runs_started_total") - before) / SECONDS
        most = count - row.pop("sent") + CUT_OFF
        left = await_metric(url, "runs_unfinished", lambda n: n <= most, 60)
        if left > most:
            raise SystemExit(f"{left - most} runs have not had their signal")
        return row


def bench_signals():
    for load, name in ((False, "signals, each to a run of its own"), (True, "the same beside one step, c=16")):
        rows = [signals_beside(load) for _ in range(1 if args.quick else 3)]
        report("W2", name, middle(rows), note="goal: 10,000 signals a second; each run is loaded, and ends")


def bench_waits():
    """The memory of very many runs that wait for a signal."""
    with folder() as data, service(data) as (url, process):
        wrk(url + "/one", 64, 1)
        before, count = resident_kib(process), 0
        while count < (20_000 if args.quick else 1_000_000):
            with background(url + "/signalled", 64, 1 if args.quick else 5, "-H", "Prefer: respond-async") as p:
                p.wait()
            count = metric(url, "runs_unfinished")
        await_metric(url, "runs_in_memory", lambda n: n == 0, 60)
        now = resident_kib(process)
        figures = {"bytes_each": (now - before) * 1024 / count, "MiB": now / 1024}
        report("W3", f"{count:,} runs that wait for a signal", figures, note="goal: 1,000,000 within 400 MiB")


def call_children(url, count):
    """Seconds until one parent has the results of so many runs."""
    began = time.perf_counter()
    said = output("curl", "-sfL", "--max-time", 120, f"{url}/children?count={count}")
    if said.strip() != str(count):
        raise SystemExit(f"{count} children have given {said}")
    return {"seconds": time.perf_counter() - began}


def bench_children():
    count = 1000 if args.quick else 10000
    with folder() as data, service(data) as (url, _):
        call_children(url, 100)
        rows = [call_children(url, count) for _ in range(PAIRS)]
        report("W4", f"a parent and its {count:,} children", middle(rows), note="goal: 10,000 within 5 s")


PARTS = {"children": bench_children, "signal": bench_signal, "signals": bench_signals, "waits": bench_waits}
