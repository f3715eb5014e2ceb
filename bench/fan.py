"""script/bench fan: what a fan-out of yours costs, beside raw curl that makes the same calls, in one run."""
import argparse
import contextlib
import os
import pathlib
import resource
import socket
import statistics
import urllib.parse
import urllib.request

from plot import chart
from programs import Unanswered, folder, program, wrk
from upstream import HOSTS_MAX, connections_seen, raw_curl, upstream, warm

WIDTH_MAX, CONNECTIONS_MAX, CALLS_MAX, SECONDS_MAX, LATENCY_MAX = 1000, 1000, 10000, 60, 60000


def whole(least, most):
    def read(text):
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f'a whole number from {least} to {most} is needed, not "{text}"')
        return int(text)

    return read


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench fan", description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "--width", type=whole(1, WIDTH_MAX), default=20, metavar="N", help="calls of one request, all at once (20)"
    )
    parser.add_argument(
        "--latency-ms",
        type=whole(0, LATENCY_MAX),
        default=50,
        metavar="N",
        help="after which the bundled service answers each call (50)",
    )
    parser.add_argument(
        "--connections",
        type=whole(1, CONNECTIONS_MAX),
        default=64,
        metavar="N",
        help="requests at the same time; 1, 4, 16, ... below it are measured too (64)",
    )
    parser.add_argument(
        "--hosts", type=whole(1, HOSTS_MAX), default=1, metavar="N", help="hosts of the bundled service (1)"
    )
    parser.add_argument("--tls", action="store_true", help="the bundled service speaks HTTP/1.1 over TLS")
    parser.add_argument("--http2", action="store_true", help="the bundled service speaks HTTP/2 over TLS")
    parser.add_argument("--url", help="call this service of yours instead: GET, answered 2xx")
    parser.add_argument(
        "--remote", action="store_true", help="--url may be on another machine, which has agreed to the load"
    )
    parser.add_argument(
        "--seconds", type=whole(1, SECONDS_MAX), default=2, metavar="N", help="length of one measurement (2)"
    )
    parser.add_argument(
        "--pairs", type=whole(1, 20), default=3, metavar="N", help="interleaved pairs; medians are shown (3)"
    )
    parser.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help="where the plot goes (fan.svg in the build folder)"
    )
    args = parser.parse_args()
    if args.width * args.connections > CALLS_MAX:
        parser.error(
            f"--width times --connections is {args.width * args.connections} calls at once; {CALLS_MAX} are the most"
        )
    if args.url:
        check_url(parser, args)
    return args


def check_url(parser, args):
    url = urllib.parse.urlsplit(args.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        parser.error("--url is http://HOST[:PORT]/PATH, or https")
    if args.latency_ms != parser.get_default("latency_ms"):
        parser.error("--latency-ms is the bundled service's: with --url it is the service's own")
    if args.hosts > 1 or args.tls:
        parser.error("--hosts and --tls are the bundled service's: with --url they are the URL's own")
    try:
        found = socket.getaddrinfo(url.hostname, url.port or 0, type=socket.SOCK_STREAM)
    except OSError as error:
        parser.error(f"--url: {url.hostname}: {error.strerror}")
    if not args.remote and any(not (a[4][0].startswith("127.") or a[4][0] == "::1") for a in found):
        parser.error(
            f"--url: {url.hostname} is another machine, and would get {args.width * args.connections} calls at once, "
            "again and again; if it is yours to load, say --remote"
        )


def probe(url):
    """One call, so that what is wrong with the service is said once."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS_MAX):
            pass
    except (OSError, ValueError) as error:
        raise SystemExit(f"script/bench fan: GET {url} does not succeed: {error}") from None


def raise_open_files(calls):
    """Each program has a descriptor for each call and client."""
    wanted = 3 * calls + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= hard or soft < wanted and hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    elif soft < wanted:
        raise SystemExit(
            f"script/bench fan: {wanted} open files are needed, {hard} allowed (ulimit -n): take fewer calls"
        )


def measure(args, called, service):
    """[(connections, Stepwell, raw curl, ratio)]; medians."""
    rows = []
    print(
        f"{'':>11}{'fan-outs/s':^30}{'p50 ms':^20}{'p99 ms':^20}{'opened':^20}\n"
        f"{'connections':>11}{'Stepwell':>10}{'curl':>10}{'ratio':>10}"
        f"{'Stepwell':>10}{'curl':>10}{'Stepwell':>10}{'curl':>10}{'Stepwell':>10}{'curl':>10}"
    )
    for c in [*(n for n in (1, 4, 16, 64, 256) if n < args.connections), args.connections]:
        ours, curl, ratio = measure_at(args, called, f"{service}/fan?width={args.width}&hosts={args.hosts}", c)
        rows.append((c, ours, curl, ratio))
        print(
            f"{c:>11}{ours['rps']:>10.1f}{curl['rps']:>10.1f}{ratio:>10.2f}"
            f"{ours['p50_ms']:>10.1f}{curl['p50_ms']:>10.1f}"
            f"{ours['p99_ms']:>10.1f}{curl['p99_ms']:>10.1f}"
            f"{ours['opened']:>10}{curl['opened']:>10.0f}",
            flush=True,
        )
    return rows


def measure_at(args, called, service, connections):
    """Stepwell, raw curl, ratio. Stepwell's connections are those of all its measurements, curl's those of one."""
    seconds = max(args.seconds, -(-3 * args.latency_ms // 1000))  # three fan-outs at least
    seen = (lambda: 0) if args.url else (lambda: connections_seen(called))
    before, curl, ours = seen(), [], []
    if args.url:
        with contextlib.suppress(Unanswered):
            wrk(service, connections, 1)
    else:
        warm(service, called, connections, 1 + args.latency_ms // 1000)
    opened = seen() - before
    for _ in range(args.pairs):
        at = seen()
        calls = args.width * connections
        curl.append(raw_curl(args.build / "bench", called, calls, seconds, args.width, args.hosts, args.http2))
        curl[-1]["opened"] = seen() - at
        at = seen()
        ours.append(wrk(service, connections, seconds))
        opened += seen() - at
    ratio = statistics.median(a["rps"] / b["rps"] for a, b in zip(ours, curl))
    ours, curl = ({k: statistics.median(row[k] for row in rows) for k in rows[0]} for rows in (ours, curl))
    return {**ours, "opened": opened}, curl, ratio


def main():
    args = arguments()
    raise_open_files(args.width * args.connections)
    if args.url:
        probe(args.url)
    bundled = upstream(args.build / "bench", args.latency_ms, args.hosts, args.tls, args.http2)
    with folder() as data, bundled as address:
        called = args.url or address
        answers = "a service of yours" if args.url else f"answers after {args.latency_ms} ms"
        print(
            f"A request makes {args.width} calls at once, each a durable step, to {called} ({answers});\n"
            f"medians of {args.pairs} interleaved pairs; {os.cpu_count()} cores, which service, load and callers "
            f"share\n"
        )
        flags = (
            "--upstream",
            called,
            "--upstream-connections",
            CALLS_MAX,
            "--redirect-after",
            "1h",
            "--dev",
            "--admin-on-public",
            "--loops",
            1,
        )
        with program(args.build / "bench" / "service", "--listen", "127.0.0.1:0", "--data", data / "data", *flags) as (
            service,
            _,
        ):
            rows = measure(args, called, service)
    plot = args.plot or args.build / "fan.svg"
    lines = {
        "Stepwell p50": [(c, a["p50_ms"]) for c, a, _, _ in rows],
        "raw curl p50": [(c, b["p50_ms"]) for c, _, b, _ in rows],
        "Stepwell p99": [(c, a["p99_ms"]) for c, a, _, _ in rows],
        "raw curl p99": [(c, b["p99_ms"]) for c, _, b, _ in rows],
    }
    print()
    chart(plot, f"Fan-out of {args.width} calls", "connections", "ms", lines, log_x=True)


main()
