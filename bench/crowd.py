"""The part `crowd` of script/bench: what a new request feels among very many clients that wait, and when all of them
want something at one moment."""
import contextlib
import re
import resource
import socket
import statistics
import threading
import time

from measure import SECONDS, args, at_rate, await_metric, folder, latencies, middle, report, service

RATE, CONNECTIONS, LEAD_S = 1000, 64, 0.5
# Runs neither park nor send their clients on before their moment, unless that is what is measured.
STAY = ("--connections-max", 20000, "--redirect-after", "60s", "--park-after", "60s")
# name, path, flags, header of the clients
CROWDS = (
    ("clients that wait", "/hang", (), ""),
    ("clients whose runs end at once", "/until?at={at}", (), ""),
    ("clients whose runs retry at once", "/until?retry=1&at={at}", (), ""),
    ("clients that are sent on", "/hang", ("--hold", "{hold}s"), "Via: 1.1 proxy\r\n"),
    ("clients that leave at once", "/hang", (), ""),
)


def clients(url, path, count, header):
    """Connects, asks, and reads nothing: what comes waits in the kernel."""
    host, port = re.search(r"http://([^:]+):(\d+)", url).groups()
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{header}\r\n".encode()
    made = []
    for _ in range(count):
        made.append(socket.create_connection((host, int(port))))
        made[-1].sendall(request)
    return made


def close_all(made):
    for s in made:
        s.close()


def measure_crowd(crowd, path, flags, header, leave):
    """Returns latencies without the crowd, and in the seconds around its moment."""
    wait_s = 4 + crowd // 1000
    flags = [f.format(hold=wait_s) if isinstance(f, str) else f for f in flags]
    with folder() as data, service(data, *STAY, *flags) as (url, _), contextlib.ExitStack() as stack:
        at_rate(url + "/one", RATE, 1, CONNECTIONS)
        alone = at_rate(url + "/one", RATE, 2 * SECONDS, CONNECTIONS)
        moment = time.time() + wait_s
        made = clients(url, path.format(at=int(moment * 1000)), crowd, header)
        stack.callback(close_all, made)
        waiting = await_metric(url, "runs_in_memory", lambda n: n >= crowd, max(1, wait_s - 2))
        time.sleep(max(0, moment - LEAD_S - time.time()))
        if leave:
            timer = threading.Timer(LEAD_S, close_all, (made,))
            timer.start()
            stack.callback(timer.join)
        return alone, at_rate(url + "/one", RATE, 2 * SECONDS, CONNECTIONS), waiting


def bench_crowd():
    """P8: a new request among 10,000 clients that each wait for a run in flight."""
    crowd = 2000 if args.quick else 10000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name, path, flags, header in CROWDS:
        alone, beside, waiting = [], [], 0
        for _ in range(1 if args.quick else 3):
            a, b, waiting = measure_crowd(crowd, path, flags, header, "leave" in name)
            alone.append(a)
            beside.append(b)
        report(
            "P8",
            f"one step beside {waiting} {name}",
            latencies(middle(beside)),
            latencies(middle(alone)),
            statistics.median(b["p99_ms"] / a["p99_ms"] for a, b in zip(alone, beside)),
            f"{RATE:,} requests/s; floor: without them, ratio of p99; goal: p99 of 5 ms",
        )


PARTS = {"crowd": bench_crowd}
