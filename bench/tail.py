"""P12: the stalls of a store that deletes its logs as fast as it writes them, beside those of the ceiling, at a fixed
rate. A stall is a window of 100 ms in which a request that was due in it took over 12 ms."""
import time

from measure import BENCH, PAIRS, args, at_rate, folder, middle, program, report, service, wrk

SLOW_MS, CONNECTIONS, SHARE = 12, 64, 0.7
FIRST_DELETION_S, SUSTAINED_S = 900, 30


def logs(database):
    return {f.name for f in database.glob("*.log")}


def sustained_rate(url, database, seconds):
    """Writes at full speed until the database has deleted a log, since until then no stall can come from that; then
    for as long as is asked, because flushes and compactions take their share only then. Requests a second of that."""
    wrk(url, CONNECTIONS, 1)  # the ceiling listens before it has a log
    began, first = time.time(), min(logs(database))
    while first in logs(database):
        if time.time() - began > FIRST_DELETION_S:
            raise SystemExit(f"{database} has deleted no log within {FIRST_DELETION_S} s")
        wrk(url, CONNECTIONS, 2)
    return wrk(url, CONNECTIONS, seconds)["rps"]


def one_round(url, database, rate, seconds, data):
    """At a fixed rate. Logs that were there and are gone count as deleted: a round without is none."""
    before, windows = logs(database), data / "windows"
    row = at_rate(url, rate, seconds, CONNECTIONS, windows)
    worst = [float(line) for line in windows.read_text().split()]
    slow = sum(ms > SLOW_MS for ms in worst)
    kept = {k: row[k] for k in ("p99_ms", "p999_ms", "p9999_ms", "max_ms")}
    return {"slow_windows": slow, **kept, "logs_deleted": len(before - logs(database))}, worst


def sums(rounds):
    return {k: sum(r[k] for r, _ in rounds) for k in ("slow_windows", "logs_deleted")}


def slow_counts(rounds):
    """[(ms, how many windows took longer)], for the plot."""
    return [(ms, sum(w > ms for _, worst in rounds for w in worst)) for ms in (3, 6, SLOW_MS, 25, 50, 100, 200)]


def bench_tail():
    seconds = args.tail_seconds or (6 if args.quick else 120)
    with folder() as data, service(data) as (url, _), program(
        BENCH / "durable_ceiling", 150, data / "ceiling"
    ) as (floor, _):
        ours, ceiling = (url + "/one", data / "data/journal"), (floor + "/", data / "ceiling")
        sustained = 6 if args.quick else SUSTAINED_S
        rate = SHARE * min(sustained_rate(*ceiling, sustained), sustained_rate(*ours, sustained))
        a, b = [], []
        for _ in range(PAIRS):
            b.append(one_round(*ceiling, rate, seconds, data))
            a.append(one_round(*ours, rate, seconds, data))
        for row in zip(b, a):
            print("       round: " + " | ".join(", ".join(f"{k} {v:.4g}" for k, v in r.items()) for r, _ in row))
        ours, ceiling = ({**middle([r for r, _ in side]), **sums(side)} for side in (a, b))
        report(
            "P12",
            f"stalls at {rate:,.0f} requests/s, c={CONNECTIONS}",
            ours,
            ceiling,
            ours["slow_windows"] / ceiling["slow_windows"] if ceiling["slow_windows"] else None,
            f"windows of 100 ms over {SLOW_MS} ms and logs deleted: of all {PAIRS} rounds of {seconds} s; the rest: "
            "medians; goal: no more than the floor's",
            series="tail",
            rows=[slow_counts(side) for side in (a, b)],
        )


PARTS = {"tail": bench_tail}
