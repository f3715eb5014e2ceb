"""script/bench: measures Stepwell beside its floors, prints a line for each figure; --json FILE also writes all of
it. A measurement that fails is named, and the others are made; the exit code is 1 then."""
import re
import subprocess
import sys
import time

from calls import PARTS as CALLS
from cores import PARTS as CORES
from crowd import PARTS as CROWD
from hold import PARTS as HOLD
from limits import PARTS as LIMITS
from lists import PARTS as LISTS
from memory_back import PARTS as MEMORY_BACK
from signals import PARTS as SIGNALS
from steps import PARTS as STEPS
from streams import PARTS as STREAMS
from tail import PARTS as TAIL
from watched import PARTS as WATCHED
from measure import (
    BENCH,
    PAIRS,
    SECONDS,
    args,
    await_metric,
    background,
    failures,
    folder,
    go_on,
    metric,
    output,
    pairs,
    program,
    report,
    resident_kib,
    service,
    wrk,
    write_json,
)
from upstream import upstream, warm


def bench_coro():
    path = BENCH / "coro_switch"
    if not path.exists():
        return
    for line in output(path).splitlines():
        name, ns, floor = re.match(
            r"P1\s+(.+?)\s{2,}ns=([\d.]+)\s+(?:floor \(Boost fcontext\) ns=([\d.]+))?", line
        ).groups()
        report(
            "P1",
            name,
            {"ns": float(ns)},
            {"ns": float(floor)} if floor else None,
            float(ns) / float(floor) if floor else None,
            "Boost.Context's fcontext" if floor else "goal: under 100",
        )


def bench_plain():
    with folder() as data, service(data) as (url, _), program(BENCH / "floor_hello") as (floor, _):
        for c in (1, 64, 256):
            pairs("P2", "plain route", lambda: wrk(url + "/plain", c), lambda: wrk(floor + "/", c), c, series="plain")


def bench_json():
    """P10: jansson, yajl and simdjson in interleaved rounds, in one process; the last two if they are installed."""
    for line in output(BENCH / "json", PAIRS).splitlines():
        what, fields = line.split(": ")
        figures = {k: float(v) for k, v in (f.split("=") for f in fields.split())}
        length = figures.pop("bytes")
        if what.startswith("hold "):
            report("P10", f"read {length / 1e6:.2f} MB, {what[5:]}", figures, None, None, "goal: 10 ms on a loop")
            continue
        ours = figures.pop("stepwell")
        fastest = max(figures, key=figures.get)
        report(
            "P10",
            what,
            {"MBps": ours},
            figures,
            ours / figures[fastest],
            f"of {fastest}; {ours / figures['jansson']:.1f} times jansson",
            bytes=length,
        )


def bench_durable():
    for goal, path, entry, connections in (
        ("P3", "/one", 150, (1, 16, 64, 256, 1024)),
        ("P4", "/ten", 1500, (1, 64, 256)),
    ):
        with folder() as data, service(data) as (url, _), program(
            BENCH / "durable_ceiling", entry, data / "ceiling"
        ) as (floor, _):
            for c in connections:
                pairs(
                    goal,
                    f"{path[1:]} durable step{'s' if path == '/ten' else ''}",
                    lambda: wrk(url + path, c),
                    lambda: wrk(floor + "/", c),
                    c,
                    "p50_ms" if c == 1 else "rps",
                    series=path[1:],
                )


def bench_fan():
    with folder() as data, upstream(BENCH, 50) as called, service(
        data, "--upstream", called, "--upstream-connections", 10000
    ) as (url, _):
        for c in (1, 64, 256):
            seconds = SECONDS if c == 1 else 2 * SECONDS

            def floor():
                out = output(BENCH / "raw_curl", called, c * 20, seconds)
                return {"calls": float(re.search(r"([\d.]+) calls/s", out)[1])}

            def ours():
                one = wrk(url + "/fan", c, seconds)
                return {"calls": one["rps"] * 20, **one}

            warm(url + "/fan", called, c, 1)
            pairs("P5", "20 parallel calls of 50 ms", ours, floor, c, "calls", series="fan")


def raw_call_kib(url, count):
    """Memory of one call in a program that does nothing else."""
    kib = []
    for n in (1, count):
        p = subprocess.Popen([str(BENCH / "raw_curl"), url, str(n), "5"], stdout=subprocess.DEVNULL)
        time.sleep(2.5)
        kib.append(resident_kib(p))
        p.kill()
        p.wait()
    return (kib[1] - kib[0]) / (count - 1)


def sleepers(url, count, path="/sleep"):
    """Makes runs that sleep; returns how many there are."""
    while metric(url, "runs_unfinished") < count:
        with background(url + path, 64, 1, "-H", "Prefer: respond-async") as p:
            p.wait()
    return metric(url, "runs_unfinished")


def bench_memory():
    most = 1000 if args.quick else 4000
    with folder() as data, upstream(BENCH, 4000) as called, service(
        data, "--upstream", called, "--upstream-connections", 10000
    ) as (url, p):
        wrk(url + "/one", 64, 1)
        before = resident_kib(p)
        for waiting in (most // 4, most // 2, most):
            with background(url + "/wait", waiting, 10):
                time.sleep(3)
                runs, now = metric(url, "runs_in_memory"), resident_kib(p)
            raw = raw_call_kib(called, waiting)
            each = (now - before) / max(runs, 1)
            report(
                "P6",
                f"{runs} runs that wait on a call",
                {"KiB_each": each, "beyond_curl_KiB": each - raw},
                {"KiB_each": raw},
                None,
                "goal: 12 KiB beyond the curl handle; the client's connection included",
                series="waiting",
                x=runs,
                kib=now - before,
            )
            await_metric(url, "runs_in_memory", lambda n: n == 0, 20)
    with folder() as data, service(data) as (url, p):
        wrk(url + "/one", 64, 1)
        before = resident_kib(p)
        count = sleepers(url, 20000 if args.quick else 1000000)
        await_metric(url, "runs_in_memory", lambda n: n == 0, 60)
        now = resident_kib(p)
        report(
            "P6",
            f"{count} parked runs",
            {"bytes_each": (now - before) * 1024 / count, "MiB": now / 1024},
            None,
            None,
            "RocksDB's tables in memory included; goal: 1,000,000 within 1 GiB",
            series="parked",
            x=count,
            kib=now - before,
        )


def bench_recovery():
    """Each run has done its five steps and its sleep is over when the process starts again."""
    for count in (5000, 20000) if args.quick else (10000, 30000, 100000):
        with folder() as data:
            sleep_ms = count // 3 + 4000
            with service(data) as (url, _):
                sleepers(url, count, f"/sleep?ms={sleep_ms}")
                made = time.time()
                await_metric(url, "runs_in_memory", lambda n: n == 0, 20)
                unfinished = metric(url, "runs_unfinished")
            time.sleep(max(0, made + sleep_ms / 1000 + 0.5 - time.time()))
            began = time.time()
            with service(data) as (url, _):
                listening = time.time() - began
                resumed = await_metric(url, "runs_resumed_total", lambda n: n >= unfinished, 60)
                all_resumed = time.time() - began
                left = await_metric(url, "runs_unfinished", lambda n: n == 0, 60)
                report(
                    "P7",
                    f"recovery of {unfinished} runs of 5 steps",
                    {"listening_s": listening, "resumed_s": all_resumed, "finished_s": time.time() - began},
                    None,
                    None,
                    f"goal: 100,000 resumed within 5 s; {resumed} resumed, {left} not finished",
                    series="recovery",
                    x=unfinished,
                )


PARTS = {
    "coro": bench_coro,
    "json": bench_json,
    **HOLD,
    "plain": bench_plain,
    "durable": bench_durable,
    "fan": bench_fan,
    **CALLS,
    "memory": bench_memory,
    "recovery": bench_recovery,
    **STEPS,
    **CROWD,
    **CORES,
    **LIMITS,
    **LISTS,
    **STREAMS,
    **SIGNALS,
    **TAIL,
    **MEMORY_BACK,
    **WATCHED,
}

parts = args.only.split(",") if args.only else list(PARTS)
for part in parts:
    if part not in PARTS:
        raise SystemExit(f"no part {part}: there are {', '.join(PARTS)}")
for part in parts:
    with go_on(part):
        PARTS[part]()
    write_json()
if failures:
    print(f"not measured, see above: {'; '.join(failures)}")
sys.exit(1 if failures else 0)
