"""The part of script/bench that asks for lists: the first page of each filter, after a start, of very many runs."""
import json
import statistics
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from measure import args, await_metric, folder, metric, report, service, wrk

RUNS = 20_000 if args.quick else 1_000_000
FEW = 20  # of each kind that is looked for, the oldest of all
GOAL_MS = 200
PAGE = 100
QUESTIONS = {
    "all": {},
    "one endpoint": {"endpoint": "GET /rare"},
    "failed": {"state": "failed"},
    "text of an error": {"error": "declined"},
    "a label": {"label": "topic:bees"},
    "a version": {"version": "rare"},
    "running": {"state": "running"},
    "the oldest": {"endpoint": "GET /rare", "to": None},
    "none": {"endpoint": "GET /one", "state": "cancelled"},
}


def ask(url, parameters):
    """Returns the page, and how many ms it took."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{url}/_sw/runs?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
        text = answer.read()
    return json.loads(text), (time.perf_counter() - began) * 1000


def begin(url, path):
    try:
        urllib.request.urlopen(url + path, timeout=60).read()
    except urllib.error.HTTPError as e:
        e.read()


def fill(data):
    """Returns when the last of the few began, in Unix ms."""
    with service(data, "--admin-listen", "none") as (url, process):
        for path in ("/rare", "/fail"):
            for _ in range(FEW):
                begin(url, path)
        last_ms = int(time.time() * 1000)
        while metric(url, "runs_started_total") < RUNS:
            wrk(url + "/one", 256, 1 if args.quick else 10)
        await_counted(url)
        process.terminate()
        process.wait()
    return last_ms


def await_counted(url, seconds=600):
    """Until the index has every run: then no page is short."""
    until = time.time() + seconds
    while time.time() < until:
        with urllib.request.urlopen(f"{url}/_sw/endpoints", timeout=60) as answer:
            told = json.loads(answer.read())
        if told["counted"] and metric(url, "runs_in_memory") == 0:
            return
        time.sleep(0.1)
    raise SystemExit("the index never has every run")


def walk(data):
    """Reads the whole list, page by page: the last pages beside the first."""
    with service(data, "--admin-listen", "none") as (url, _):
        took, before = [], {}
        while before is not None:
            page, ms = ask(url, {"limit": PAGE, **before})
            took.append(ms)
            before = {"before": page["next"]} if "next" in page else None
    few = min(FEW, len(took))
    report(
        "L2",
        f"page {len(took):,}",
        {"ms": statistics.median(took[-few:]), "first_ms": statistics.median(took[:few]), "longest_ms": max(took)},
        None,
        None,
        f"as fast as the first; {PAGE} runs a page, medians of {few} pages",
        series="lists",
    )


def bench_lists():
    with folder() as data:
        last_ms = fill(data)
        walk(data)
        for name, parameters in QUESTIONS.items():
            subprocess.run(["sync"], check=True)
            with service(data, "--admin-listen", "none") as (url, _):
                if "to" in parameters:
                    parameters = {**parameters, "to": last_ms}
                page, first_ms = ask(url, parameters)
                found, pages = len(page["runs"]), 1
                while "next" in page and found < FEW:
                    page, _ = ask(url, {**parameters, "before": page["next"]})
                    found, pages = found + len(page["runs"]), pages + 1
                _, again_ms = ask(url, parameters)
                report(
                    "L1",
                    f"first page, {name}",
                    {"ms": first_ms, "again_ms": again_ms, "found": found, "pages": pages},
                    None,
                    None,
                    f"goal: {GOAL_MS} ms; {RUNS:,} runs",
                    series="lists",
                )


PARTS = {"lists": bench_lists}
