"""HTTP clients of other people against a durable endpoint: each gets the exact status, headers and body in one call, at
once, after redirects, as a stream, as bytes, and when the server is killed while it waits.

Usage: matrix.py BUILD [--expected] [--only NAME,...] [--wait SECONDS] [--write]

    --expected      only the clients that script/setup e2e installs, none of which may be missing, and without lifting
                    limits
    --wait SECONDS  also measures how long each waits for a head, up to so long
    --write         if all is well, writes what was measured to measured.json, and the table of it into docs/http.md

Each client is a file here, run as a process that makes the calls it reads: "METHOD URL KIND" on a line, where KIND is
plain, stream (it asks for text/event-stream) or keyed (it has an Idempotency-Key). Its answer is a line of five words
with tabs between them: status, Content-Type, X-Answer, body in base64, URL at the end (if it tells); or "error" and
what it said. A POST sends {"n": 1}. Reports TAP."""
import argparse
import base64
import collections
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import known
import table
from outside import REDIRECTS_MAX, Outside

MORE_S = 10  # than it waited before its limit was lifted
LIMIT_S = 300  # for one answer; nothing is judged by how long it took
Answer = collections.namedtuple("Answer", "status type answer body at error")
# Two rounds. Java's HttpClient follows four redirects: a machine may be late by seconds.
FLAGS = ["--dev", "--redirect-after", "100ms", "--hold", "1s"]
LATER, SOON = "/later?ms=1300", "/later?ms=200"


class Service:
    """The program tests/programs/answers.c."""

    def __init__(self, build, folder, flags):
        command = [
            os.path.join(build, "tests/answers"),
            "--listen",
            "127.0.0.1:0",
            "--data",
            os.path.join(folder, "data"),
            "--admin-on-public",
            *flags,
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.worker = self.process.pid
        self.url = None
        for line in self.process.stderr:
            self.read(line)
            if self.url:
                break
        else:
            sys.exit(print("Bail out! the program does not listen") or 1)
        threading.Thread(target=lambda: [self.read(line) for line in self.process.stderr], daemon=True).start()

    def read(self, line):
        if found := re.search(r"listening on (http://[^\s\"]+)", line):
            self.url = found[1]
        if found := re.search(r"worker (\d+) is ready", line):
            self.worker = int(found[1])

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as response:
            return response.read().decode()

    def metric(self, name):
        return int(re.search(rf"^stepwell_{name} (\d+)", self.get("/_sw/metrics"), re.M)[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Caller:
    """A client's process in one mode."""

    def __init__(self, client, mode, out, page):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            client.command(mode, out),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
            env={**os.environ, "PAGE_URL": page},
        )

    def ask(self, method, url, kind="plain", limit_s=LIMIT_S):
        end = threading.Timer(limit_s, self.kill)
        end.start()
        try:
            self.process.stdin.write(f"{method} {url} {kind}\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        end.cancel()
        words = line.rstrip("\n").split("\t")
        if line and words[0] != "error":
            return Answer(int(words[0]), words[1], words[2], base64.b64decode(words[3]), words[4], None)
        if not line:
            self.errors.seek(0)
            words = ["", "it ended: " + self.errors.read().decode(errors="replace")[-2000:]]
        return Answer(0, "", "", b"", "", " ".join(words[1:]) or "it said nothing")

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def stop(self):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            pass  # it has ended, or does not
        self.kill()
        self.process.wait()


def expected(path, method):
    n = 1 if method == "POST" else 0
    return {
        "at-once": (201, "text/plain; charset=utf-8", f"at once {n}\n".encode()),
        "later": (203, "application/json", f'{{"later":{n}}}'.encode()),
        "bytes": (203, "application/octet-stream", bytes(i * i >> 7 & 255 for i in range(300000))),
        "gate": (201, "text/plain; charset=utf-8", f"lived on {n}\n".encode()),
    }[re.match(r"/([a-z-]+)", path)[1]]


def frames(text):
    """(id, event, data) of each frame of a stream."""
    for frame in text.split("\n\n"):
        fields = dict(re.findall(r"^(id|event|data): (.*)$", frame, re.M))
        if "event" in fields:
            yield int(fields["id"]), fields["event"].removeprefix("inngest."), json.loads(fields["data"])


def wrong(answer, path, method, kind):
    """What is not as it must be; None: nothing."""
    if answer.error is not None:
        return answer.error
    status, content_type, body = expected(path, method)
    if kind == "plain":
        found, must = answer[:4], (status, content_type, '"one"; two', body)
        return (
            None
            if found == must
            else f"{found[:3]} and {len(found[3])} bytes {found[3][:200]!r}, not {must[:3]} and {must[3][:200]!r}"
        )
    got = list(frames(answer.body.decode()))
    events, ids = [frame[1] for frame in got], [frame[0] for frame in got]
    if (
        answer.status != 200
        or events != ["metadata", "stream", "stream", "commit", "response"]
        or ids != list(range(5))
    ):
        return f"status {answer.status}, events {list(zip(ids, events))}: {answer.body[:200]!r}"
    told = got[4][2]["response"]
    found = [
        got[1][2]["data"],
        got[2][2]["data"],
        told["statusCode"],
        told["headers"].get("Content-Type"),
        told["headers"].get("X-Answer"),
        told["body"].encode(),
    ]
    must = ["one ", "two", status, content_type, '"one"; two', body]
    return None if found == must else f"{found}, not {must}"


def wrong_failure(answer, kind):
    """Likewise of a run that failed for good."""
    if answer.error is not None:
        return answer.error
    status, content_type, body = answer.status, answer.type, answer.body.decode()
    if kind == "stream":
        told = list(frames(body))[-1][2]["response"]
        status, content_type, body = told["statusCode"], told["headers"].get("Content-Type"), told["body"]
    if (status, content_type) != (500, "application/problem+json") or '"detail":"broken on purpose"' not in body:
        return f"{status}, {content_type}, {body[:200]!r}"
    return None


class Row:
    """A client in the matrix: what it was asked, and what was found."""

    def __init__(self, client, version, matrix):
        self.client, self.version, self.matrix = client, version, matrix
        self.faults, self.callers, self.runs = [], {}, 0
        self.measured = {"versions": [version]}
        self.mode = "follow" if client.follow else "plain"

    def caller(self, mode):
        if mode not in self.callers:
            self.callers[mode] = Caller(self.client, mode, self.matrix.out, self.matrix.outside.url + "/page")
        return self.callers[mode]

    def check(self, mode, method, path, kind):
        answer = self.caller(mode).ask(method, self.matrix.service.url + path, kind)
        self.runs += 1
        if fault := wrong(answer, path, method, kind):
            self.faults.append(f"{mode}: {method} {path} as {kind}: {fault}")
        elif path == LATER and answer.at and kind == "plain" and "/output?" not in answer.at:
            self.faults.append(f"{mode}: {method} {path} was not sent on")

    def calls(self):
        """(method, path, kind) of what is asked."""
        methods = ["GET", "POST"] if self.client.posts else ["GET"]
        for method in methods:
            if self.client.streams:
                yield from ((method, "/at-once", "stream"), (method, SOON, "stream"))
            else:
                yield from (
                    (method, "/at-once", "plain"),
                    (method, LATER, "plain"),
                    (method, "/bytes", "plain"),
                    (method, SOON, "stream"),
                )

    def check_all(self):
        for method, path, kind in self.calls():
            self.check(self.mode, method, path, kind)
        if self.mode == "follow":  # is it true that it needs that?
            self.check("plain", "GET", "/at-once", "plain")

    def fail(self):
        """What it gets of a run that fails for good, and how many runs that makes: some ask again by themselves."""
        kind, runs = "stream" if self.client.streams else "plain", 1
        for method in ["GET", "POST"] if self.client.posts else ["GET"]:
            begun, fault = self.failed(self.mode, method, kind)
            runs = max(runs, begun)
            if not self.client.failing:
                self.must_be_one(self.mode, method, begun, fault)
                continue
            self.must_be_one("failing", method, *self.failed("failing", method, kind))
            if begun > 1:
                self.must_be_one(self.mode, method, *self.failed(self.mode, method, "keyed"))
        self.measured["runs_that_fail"] = runs

    def break_off(self):
        """Whether it asks again by itself when the connection breaks before an answer: of a program nobody
        supervises."""
        outside, again = self.matrix.outside, []
        for method in ["GET", "POST"] if self.client.posts else ["GET"]:
            name = f"broken-{self.client.file}-{self.client.page}-{method}"
            self.caller(self.mode).ask(
                method, f"{outside.url}/broken/{name}", "stream" if self.client.streams else "plain"
            )
            if outside.broken[name] > 1:
                again.append(method)
        self.measured["asks_again"] = again

    def must_be_one(self, mode, method, begun, fault):
        if fault or begun != 1:
            self.faults.append(f"{mode}: {method} of a run that fails: {begun} runs, {fault}")

    def failed(self, mode, method, kind):
        """How many runs it began, and what was wrong with its answer."""
        outside, name = self.matrix.outside, f"fails-{self.client.file}-{self.client.page}-{mode}-{method}-{kind}"
        outside.open_gates([name])
        answer = self.caller(mode).ask(method, f"{self.matrix.service.url}/fails?gate={outside.url}/gate/{name}", kind)
        return len(outside.run_ids.get(name, ())), wrong_failure(answer, kind)

    def count_redirects(self):
        if self.client.streams:
            return
        lifts = self.matrix.lifts and self.client.longer not in ("", known.STREAM)
        outside, modes = self.matrix.outside, [self.mode] + (["longer"] if lifts else [])
        for mode in modes:
            name = f"{self.client.file}-{self.client.page}-{mode}"
            answer = self.caller(mode).ask("GET", f"{outside.url}/redirects/{name}/0")
            count = outside.redirects.get(name, 0)
            if (answer.status == 200) != (count == REDIRECTS_MAX):
                self.faults.append(f"{mode}: after {count} redirects: {answer}")
            if mode == "longer" and count < REDIRECTS_MAX:
                self.faults.append(f"longer: it follows {count} redirects: {answer.error}")
            if mode == self.mode:
                self.measured["redirects"] = count
                self.measured["hold_ms"] = self.matrix.hold_of(outside.heads[name])

    def wait_for_head(self):
        """How long it waits as it comes, with what it needs, and whether what is to lift that limit does."""
        if self.client.streams:
            return
        outside, waited = self.matrix.outside, 0
        for mode in ["plain"] + [m for m in ("follow", "longer") if "timeout" in getattr(self.client, m).lower()]:
            name = f"{self.client.file}-{mode}"
            bound_s = outside.bound_s if mode != "longer" else min(outside.bound_s, waited + MORE_S)
            outside.bounds[name] = bound_s
            answer = self.caller(mode).ask("GET", f"{outside.url}/silence/{name}", limit_s=bound_s + LIMIT_S)
            outside.wait(lambda: name in outside.waits)  # of the first, if it came again
            waited = outside.waits[name]
            if (waited is None) != (answer.status == 200) or waited and mode == "longer":
                self.faults.append(f"{mode}: it waited for {waited or bound_s} s: {answer}")
            self.measured[f"waits_{mode}"] = {"s": round(waited or bound_s), "gave_up": waited is not None}
            if waited is None:
                break

    def stop(self):
        for caller in self.callers.values():
            caller.stop()


class Matrix:
    def __init__(self, build, folder, rows, lifts):
        self.build, self.out, self.lifts = build, folder, lifts  # lifts: clients are run with their limits lifted, too
        self.outside = Outside()
        self.service = Service(build, folder, FLAGS)
        self.rows = [Row(client, version, self) for client, version in rows]

    def hold_of(self, head):
        said = subprocess.run(
            [os.path.join(self.build, "tests/hold_of")], input=head, capture_output=True, text=True, check=True
        )
        return int(said.stdout)

    def each(self, task, rows, at_once):
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for row, future in [(row, pool.submit(task, row)) for row in rows]:
                try:
                    future.result()
                except Exception as error:
                    row.faults.append(f"{task.__name__}: {type(error).__name__}: {error}")

    def kill_while_they_wait(self):
        """Three times: at the endpoint, at the output URL, and in the middle of a stream."""
        with tempfile.TemporaryDirectory() as folder:
            service = Service(self.build, folder, ["--dev", "--supervise", "--keep-after", "10ms"])
            try:
                self.kill_once(service, "at the endpoint", "GET", "plain")
                self.kill_once(service, "at the output URL", "POST", "plain")
                self.kill_once(service, "in a stream", "GET", "stream")
            finally:
                service.stop()

    def kill_once(self, service, where, method, kind):
        outside = self.outside
        rows = {
            f"{i}-{method}-{kind}": row
            for i, row in enumerate(self.rows)
            if not row.faults and (row.client.posts or method == "GET") and (kind == "stream" or not row.client.streams)
        }
        before = service.metric("connections_kept_total")

        def wait(name):
            url = f"{service.url}/gate?gate={outside.url}/gate/{name}"
            if where == "at the output URL":  # whoever asks here is sent to the output of a run that waits
                body = b'{"n": 1}'
                asked = urllib.request.Request(
                    url, body, {"Prefer": "respond-async", "Content-Type": "application/json"}
                )
                with urllib.request.urlopen(asked) as response:
                    outside.sent_on[name] = json.load(response)["outputUrl"]
                url = f"{outside.url}/sent-on/{name}"
            answer = rows[name].caller(rows[name].mode).ask(method, url, kind)
            if fault := wrong(answer, "/gate", method, kind):
                rows[name].faults.append(f"killed {where}: {fault}")
            if len(outside.run_ids.get(name, ())) != 1:
                rows[name].faults.append(f"killed {where}: its call began {len(outside.run_ids.get(name, ()))} runs")

        with concurrent.futures.ThreadPoolExecutor(max(len(rows), 1)) as pool:
            waiting = [pool.submit(wait, name) for name in rows]
            try:
                outside.wait(lambda: all(name in outside.run_ids for name in rows) or any(w.done() for w in waiting))
                begun = time.monotonic()
                while service.metric("connections_kept_total") < before + len(rows) and not any(
                    w.done() for w in waiting
                ):
                    if time.monotonic() - begun > LIMIT_S:
                        raise TimeoutError("the supervisor does not get the connections")
                    time.sleep(0.02)
                os.kill(service.worker, signal.SIGKILL)
            finally:
                outside.open_gates(rows)
            for w in waiting:
                w.result()

    def run(self, wait_s):
        self.each(Row.check_all, self.rows, 16)
        asked = sum(row.runs for row in self.rows)
        begun = self.service.metric("runs_started_total")
        self.kill_while_they_wait()
        if self.lifts:
            self.each(Row.fail, self.rows, 16)
            self.each(Row.break_off, self.rows, 16)
        self.each(Row.count_redirects, self.rows, 4)
        if wait_s:
            self.outside.bound_s = wait_s
            self.each(Row.wait_for_head, self.rows, len(self.rows))
        return asked, begun

    def stop(self):
        self.service.stop()
        for row in self.rows:
            row.stop()


def chosen(options):
    """(client, version) of those that run; the names of those that should be there and are not."""
    wanted = [c for c in known.CLIENTS if not options.only or c.name in options.only.split(",")]
    wanted = [c for c in wanted if c.expected or not options.expected]
    versions = [(client, client.found()) for client in wanted]
    return [(c, v) for c, v in versions if v], [c.name for c, v in versions if not v]


def report(ok, name, faults=()):
    report.n += 1
    print(f"{'ok' if ok else 'not ok'} {report.n} - {name}")
    for fault in faults:
        print(f"# {fault}")
    report.failed |= not ok


report.n, report.failed = 0, False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--expected", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--wait", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows, missing = chosen(options)
    with tempfile.TemporaryDirectory(prefix="stepwell-clients-") as folder:
        for client, _ in rows:
            client.build(folder)
        matrix = Matrix(os.path.abspath(options.build), folder, rows, not options.expected)
        try:
            asked, begun = matrix.run(options.wait)
        except Exception as error:
            sys.exit(print(f"Bail out! {type(error).__name__}: {error}") or 1)
        finally:
            matrix.stop()
        for row in matrix.rows:
            report(not row.faults, f"{row.client.name} {row.version}", row.faults)
        report(asked == begun, f"each call was one run: {asked} calls, {begun} runs")
        part = "e2e" if options.expected else "clients"
        report(
            not missing, "all of them are installed", [f"{name} is missing: script/setup {part}" for name in missing]
        )
        if options.write and not report.failed:
            table.write({row.client.name: row.measured for row in matrix.rows})
        stale = list(table.differences({row.client.name: row.measured for row in matrix.rows}))
        report(not stale, "docs/http.md has what was measured", stale)
    print(f"1..{report.n}")
    return report.failed


if __name__ == "__main__":
    sys.exit(main())
