"""The part of script/bench that looks at how long large JSON holds a loop: bench/json_hold.c."""
import contextlib
import http.client
import statistics
import threading
import time
import urllib.request

from measure import BENCH, PAIRS, folder, program, report

DOCUMENTS = 11
GOAL_MS = 10


def get(url, seconds=120):
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        return answer.read()


def hold_ms(url, path):
    """The longest time for which the loop's thread worked without letting others on, with what freeing takes."""
    get(url + "/longest")
    get(url + path)
    time.sleep(0.05)
    return float(get(url + "/longest"))


def tick(url):
    """Until the program has ended."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        get(url + "/tick", 3600)


def bench_json_hold():
    """P10: no document of 4 MiB may hold a loop for longer than 10 ms."""
    with folder() as data, program(
        BENCH / "json_hold", "--listen", "127.0.0.1:0", "--data", data / "data", "--loops", 1, "--step-result-max",
        "64MiB", "--block-warn", "10s",
    ) as (url, _):
        ticks = threading.Thread(target=tick, args=(url,), daemon=True)
        ticks.start()
        time.sleep(0.2)
        for verb in ("read", "write"):
            worst = 0
            for document in range(DOCUMENTS):
                name = get(f"{url}/read?document={document}").decode()
                aside, on_loop = [], []
                for _ in range(PAIRS):
                    on_loop.append(hold_ms(url, f"/{verb}?document={document}&on=loop"))
                    aside.append(hold_ms(url, f"/{verb}?document={document}"))
                ours, loop = statistics.median(aside), statistics.median(on_loop)
                worst = max(worst, ours)
                report(
                    "P10",
                    f"longest hold, {verb} {name.rsplit(' ', 1)[0]}",
                    {"ms": ours, "on_loop_ms": loop},
                    None,
                    None,
                    f"{'/'.join(f'{x:.2f}' for x in (max(aside), min(aside)))} worse/better",
                    series=f"hold-{verb}",
                    document=name,
                )
            report("P10", f"longest hold of all, {verb}", {"ms": worst}, None, None, f"goal: {GOAL_MS} ms")


PARTS = {"json-hold": bench_json_hold}
