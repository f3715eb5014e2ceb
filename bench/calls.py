"""The part of script/bench that looks at calls: fan-outs beside raw curl that makes the same calls, over HTTP/1.1, TLS
and HTTP/2, to one host and to fifty, 500 at once, and as the research agent makes them."""
import resource
import statistics

from measure import BENCH, PAIRS, SECONDS, args, folder, go_on, middle, report, service, wrk
from upstream import connections_seen, raw_curl, upstream, warm

LATENCY_MS, CALLS_MAX = 50, 10000
# A plan, two levels (4 queries, then 8: each a search, then what its sources teach), a report: the research agent's
# default question. Each wave begins when the one before is done.
RESEARCH = "1,4,4,8,8,1"

SHAPES = {
    "20 calls": {},
    "20 calls, TLS": {"tls": True},
    "20 calls, HTTP/2": {"http2": True},
    "20 calls, 50 hosts": {"hosts": 50},
    "20 calls, 50 hosts, HTTP/2": {"hosts": 50, "http2": True},
    "500 calls": {"width": 500},
    "500 calls, HTTP/2": {"width": 500, "http2": True},
    "research": {"width": 8, "waves": RESEARCH},
    "research, HTTP/2": {"width": 8, "waves": RESEARCH, "http2": True},
}


def measure(url, called, c, width, hosts, http2, waves):
    """Interleaved pairs at c fan-outs at once: (ours, floor, connections of both)."""
    path = "/research?" if waves else f"/fan?width={width}&"
    path += f"hosts={hosts}"
    before = connections_seen(called)
    warm(url + path, called, c, 1)
    ours, floor, opened = [], [], connections_seen(called) - before
    seconds = SECONDS * (3 if waves or width > 100 else 1)  # a slow fan-out has to end in it
    for _ in range(PAIRS):
        at = connections_seen(called)
        floor.append(raw_curl(BENCH, called, c * width, seconds, width, hosts, http2, waves))
        floor[-1]["opened"] = connections_seen(called) - at
        at = connections_seen(called)
        ours.append(wrk(url + path, c, seconds))
        opened += connections_seen(called) - at
    for row in ours:
        row["opened"] = opened
    return ours, floor


def bench_calls():
    """P5. `opened`: the connections that the called service has seen; Stepwell's since the first fan-out of a line."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name, shape in SHAPES.items():
        width, hosts, http2 = shape.get("width", 20), shape.get("hosts", 1), shape.get("http2", False)
        counts = (1, 4, 16) if width > 100 else (1, 64) if args.quick else (1, 64, 256)
        with upstream(BENCH, LATENCY_MS, hosts, shape.get("tls", False), http2) as called:
            for c in counts:
                with go_on(f"calls: {name}, c={c}"), folder() as data, service(
                    data, "--upstream", called, "--upstream-connections", CALLS_MAX
                ) as (url, _):
                    ours, floor = measure(url, called, c, width, hosts, http2, shape.get("waves"))
                    of = "p50_ms" if c == 1 else "rps"
                    ratio = statistics.median(a[of] / b[of] for a, b in zip(ours, floor))
                    note = f"of {of}, median of {PAIRS} pairs"
                    report("P5", f"{name}, c={c}", middle(ours), middle(floor), ratio, note, series=name, x=c)


PARTS = {"calls": bench_calls}
