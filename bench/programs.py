"""Programs that the benches start, and their load."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time


@contextlib.contextmanager
def program(*command):
    """A server from the build; yields (url, process)."""
    log = tempfile.TemporaryFile("w+")
    p = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        url, until = None, time.time() + 120
        while not url:
            log.seek(0)
            text = log.read()
            found = re.search(r"listening on (https?://\S+)", text) or re.fullmatch(r"(\d+)\n", text)
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


def output(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True).stdout


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


class Unanswered(SystemExit):
    """A load that has had no answer: there is nothing to take a median of."""


def wrk(url, connections, seconds, headers=()):
    """As fast as the answers come."""
    out = output("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s",
                 *[x for h in headers for x in ("-H", h)], url)
    rps = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    if rps == 0:  # wrk prints latencies of 0 then
        raise Unanswered(f"{url}: nothing was answered within {seconds} s\n{out}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise SystemExit(f"{url}: {bad[1]} wrong answers\n{out}")
    return {"rps": rps,
            "p50_ms": milliseconds(re.search(r"^ +50% +(\S+)", out, re.M)[1]),
            "p99_ms": milliseconds(re.search(r"^ +99% +(\S+)", out, re.M)[1])}
