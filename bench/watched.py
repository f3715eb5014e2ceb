"""What it costs to be seen: one durable step while somebody watches, beside the same alone; what the index takes."""
import contextlib
import http.client
import os
import pathlib
import threading
import urllib.request

from measure import BENCH, PAIRS, cpu_seconds, folder, middle, pairs, program, report, service, wrk

EVERY_S = 1  # lists and metrics are asked for so often
ENDED = (OSError, http.client.HTTPException)  # the service is ended while somebody reads


def traced(data, collector, share):
    """A service that exports this share of its traces."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": share,
    }
    return program(
        "env",
        *(f"{name}={value}" for name, value in settings.items()),
        *(BENCH / "service", "--listen", "127.0.0.1:0", "--data", data / "traced", "--loops", 1),
        *("--dev", "--admin-on-public"),
    )


def read_on(url, ended):
    """Reads as much of the feed as an open console wants (runs_view.js)."""
    with contextlib.suppress(*ENDED), urllib.request.urlopen(url + "/_sw/feed?rate=200", timeout=60) as feed:
        while not ended.is_set() and feed.read1(1 << 16):
            pass


def ask_on(url, ended):
    """Asks for a list and for the metrics, as an open console and Prometheus do."""
    while not ended.wait(EVERY_S):
        for path in ("/_sw/runs?limit=100", "/_sw/metrics"):
            with contextlib.suppress(*ENDED), urllib.request.urlopen(url + path, timeout=60) as answer:
                answer.read()


@contextlib.contextmanager
def watchers(url):
    ended = threading.Event()
    threads = [threading.Thread(target=work, args=(url, ended), daemon=True) for work in (read_on, ask_on)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        ended.set()


def watched(url, c):
    with watchers(url):
        return wrk(url + "/one", c)


def bench_watched():
    for share, look, name, goal in (
        (0.01, watched, "a console, a scrape a second, 1% of traces", 0.95),
        (1, lambda url, c: wrk(url + "/one", c), "all traces", 0.85),
    ):
        with folder() as data, program(BENCH / "http_hello") as (collector, _), service(data) as (
            alone,
            _,
        ), traced(data, collector, share) as (url, _):
            for c in (16, 64, 256):
                pairs("-", f"{name} (goal {goal})", lambda: look(url, c), lambda: wrk(alone + "/one", c), c)


def thread_seconds(process, name):
    """Processor time of the thread of that name."""
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    raise SystemExit(f"the service has no thread {name}")


def index_share(url, process, c):
    before = thread_seconds(process, "sw-indexer"), cpu_seconds(process)
    rps = wrk(url + "/one", c)["rps"]
    index_s, all_s = thread_seconds(process, "sw-indexer") - before[0], cpu_seconds(process) - before[1]
    return {"rps": rps, "percent": 100 * index_s / all_s}


def bench_index():
    with folder() as data, service(data) as (url, process):
        wrk(url + "/one", 256)
        for c in (64, 256):
            rows = [index_share(url, process, c) for _ in range(PAIRS)]
            note = f"of the process's processor time, median of {PAIRS}; goal: at most 3"
            report("-", f"the indexer's thread, c={c}", middle(rows), None, None, note)


PARTS = {"watched": bench_watched, "index": bench_index}
