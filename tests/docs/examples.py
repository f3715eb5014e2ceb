"""Each program of examples/ is run, killed with SIGKILL in the middle of a run, started again, and its answer is right
and nothing was done twice; then it proves itself with --prove.

Usage: examples.py FOLDER, where the programs are. The programs run side by side. Reports TAP."""
import concurrent.futures
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

folder = sys.argv[1]
WAIT_S = 240  # for anything; nothing is judged by how long it took


class Service(http.server.ThreadingHTTPServer):
    """What an example calls. Holds back its first request to `gate` until the example has been killed."""

    daemon_threads = True

    def __init__(self, gate):
        super().__init__(("127.0.0.1", 0), Answers)
        self.gate, self.reached, self.opened = gate, threading.Event(), threading.Event()
        self.lock, self.asked, self.done, self.bodies = threading.Lock(), [], {}, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a program that was killed, or has ended, resets its connections


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        service, key = self.server, self.headers.get("Idempotency-Key")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with service.lock:
            service.asked.append(self.path)
            service.bodies.append(body)
            times = service.asked.count(self.path)
            if key:  # a thing is done once for each key
                service.done.setdefault(key, self.path)
        if service.gate == self.path and not service.opened.is_set():
            service.reached.set()
            service.opened.wait(WAIT_S)
        status, text, kind = respond(self.path, body, times)
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            pass  # who asked was killed

    do_POST = do_GET

    def log_message(self, *_):
        pass


def respond(path, body, times):
    name = path.rsplit("/", 1)[1]
    if path == "/model":
        events = [
            {"text": "The tide "},
            {"text": "turns."},
            {"tool": "tides"} if body.count(b"{") == 1 else {"answer": "at six"},
        ]
        return 200, b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events), "text/event-stream"
    if path.startswith("/rates/") and name == "zzz" or path.startswith("/prices/") and name in ("100", "200"):
        return 404, b"{}", "application/json"
    if path.startswith("/models/") and (name == "none" or path == "/models/quick/hard"):
        return 404, b"{}", "application/json"
    if path == "/rates/usd" and times <= 2:
        return 503, b"{}", "application/json"
    if path == "/hotels" and b"nowhere" in body:
        return 422, b"{}", "application/json"
    known = {"price": 7, "text": f"chapter {name}", "rate": 2, "done": name, "height": 3}
    return 200, json.dumps(known).encode(), "application/json"


class Program:
    """An example that serves, with its data folder."""

    def __init__(self, name, service, root):
        self.name, self.service, self.root, self.more = name, service, root, []

    def flags(self):
        return [*self.more, *(["--service", self.service.url] if self.service else [])]

    def start(self):
        flags = ["--listen", "127.0.0.1:0", "--data", "data", "--dev", "--admin-on-public", *self.flags()]
        self.process = subprocess.Popen(
            [f"{folder}/{self.name}", *flags],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            found = re.search(r"listening on (http://\S+)", line)
            if found:
                self.address = found[1]
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return
        raise AssertionError(f"{self.name} does not start")

    def stop(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def ask(self, request, body=None, headers=(), stream=False):
        """(status, text): of the response that redirects lead to."""
        method, path = request.split(" ", 1)
        url = path if path.startswith("http") else self.address + path
        q = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        for line in headers:
            q.add_header(*line.split(": ", 1))
        if body is not None:
            q.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(q, timeout=WAIT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def begin(self, request, body=None, headers=()):
        """A run's URLs, without the address, which is another after a restart."""
        status, text = self.ask(request, body, ["Prefer: respond-async", *headers])
        assert status == 202, (status, text)
        run = {name: re.sub(r"^http://[^/]*", "", url) for name, url in json.loads(text).items()}
        return {**run, "streamUrl": run["readUrl"].replace("/output", "/stream")}

    def until(self, run, words, times=1):
        """Until what is told of the run has these words."""
        end = time.monotonic() + WAIT_S
        while (told := self.ask(f"GET /_sw/runs/{run['runId']}")[1]).count(words) < times:
            assert time.monotonic() < end, f"{words!r} is not told {times} times of {run['runId']}: {told}"
            time.sleep(0.01)

    def killed(self, request, body=None, headers=(), middle=None, times=1):
        """The response of a run in whose middle the program is killed: in its call to the gate, once its journal on
        disk has `middle` so many times."""
        run = self.begin(request, body, headers)
        assert not self.service or self.service.reached.wait(WAIT_S), "the gate is not reached"
        if middle:
            self.until(run, middle, times)
        self.stop()
        if self.service:
            self.service.opened.set()
        self.start()
        return run, *self.ask("GET " + run["outputUrl"])

    def check(self):
        return subprocess.run(
            [f"{folder}/{self.name}", "--check", "data", *self.flags()],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )

    def prove(self, request, *flags):
        said = subprocess.run(
            [f"{folder}/{self.name}", "--prove", request, *flags, *self.flags()],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        assert said.returncode == 0, said.stdout + said.stderr
        assert re.search(r"^\d+ entries( of \d+ runs)?, \d+ crash points", said.stdout), said.stdout


examples = {}


def example(gate=None, service=True):
    return lambda function: examples.setdefault(function.__name__, (function, gate, service))


@example(gate="/charges")
def order(p):
    _, status, text = p.killed("POST /orders", {"item": "lamp"})
    assert (status, json.loads(text)["receipt"]["done"], json.loads(text)["parcel"]["done"]) == (
        201,
        "charges",
        "parcels",
    ), text
    assert sorted(p.service.done.values()) == ["/charges", "/parcels"], p.service.done  # asked twice, paid once
    assert p.service.asked.count("/charges") == 2
    assert p.ask("POST /orders", {})[0] == 422
    p.prove("POST /orders", "-d", '{"item":"lamp"}')


@example(gate="/tools/tides")
def agent(p):
    run, status, text = p.killed("GET /ask?q=when")
    assert (status, text) == (200, '"at six"'), text
    assert p.service.asked == ["/model", "/tools/tides", "/tools/tides", "/model"], p.service.asked
    stream = p.ask("GET " + run["streamUrl"])[1]
    assert re.findall(r'"data":"(.*?)"', stream) == ["The tide ", "turns."] * 2, stream
    p.prove("GET /ask?q=when", "--prove-repeatable", "think,use-tool")


@example(gate="/prices/250")
def fanout(p):
    _, status, text = p.killed("GET /total", middle='"kind":"step done"', times=400)
    assert (status, json.loads(text)) == (200, {"total": 498 * 7, "failed": [100, 200]}), text
    assert len(p.service.asked) <= 600, len(p.service.asked)  # 400 were done, and are not done again
    p.prove("GET /total", "--prove-points", "8")


@example(gate="/transfers")
def idempotent(p):
    key, other = ["Idempotency-Key: one", "Authorization: Ann"], ["Idempotency-Key: one", "Authorization: Bob"]
    assert p.ask("POST /transfers", {"sum": 5})[0] == 400
    run, status, text = p.killed("POST /transfers", {"sum": 5}, key)
    assert status == 201, text
    assert p.ask("POST /transfers", {"sum": 5}, key) == (201, text)
    assert p.begin("POST /transfers", {"sum": 5}, key)["runId"] == run["runId"]
    assert len(p.service.done) == 1, p.service.done
    assert p.ask("POST /transfers", {"sum": 5}, other)[0] == 201 and len(p.service.done) == 2
    p.prove("POST /transfers", "-d", '{"sum":5}', "-H", "Idempotency-Key: two")


@example()
def month(p):
    run = p.begin("POST /trials", {"mail": "ann@example.com"})
    p.until(run, '"kind":"sleep"')
    p.stop()
    p.start()
    told = p.ask(f"GET /_sw/runs/{run['runId']}")[1]
    assert "trial" in told and '"succeeded"' not in told, told
    assert list(p.service.done.values()) == ["/mails"], p.service.done
    p.prove("POST /trials", "-d", '{"mail":"ann@example.com"}')  # a month takes a moment there
    assert len(p.service.done) == 3, p.service.done


@example()
def approval(p):
    run = p.begin("POST /expenses", {"what": "a lamp"})
    p.until(run, '"kind":"sleep"')
    p.stop()
    p.start()
    link = re.sub(r"^http://[^/]*", "", json.loads(p.service.bodies[-1])["answer"])
    status, page = p.ask("GET " + link)
    assert status == 200 and "May we buy a lamp?" in page and "<form" in page, page

    def send(value):
        while (told := p.ask("POST " + link, value))[0] == 503:  # its run is about to be read
            time.sleep(0.01)
        return told[0], json.loads(told[1]).get("decision")

    assert send("perhaps")[0] == 400
    assert send("approve") == (202, "approve")
    assert send("refuse") == (200, "approve")
    p.stop()
    p.start()
    status, text = p.ask("GET " + run["outputUrl"])
    assert (status, json.loads(text)) == (200, {"paid": True, "decided": True}), text
    assert send("refuse") == (200, "approve")
    assert list(p.service.done.values()) == ["/mails"], p.service.done
    p.prove("POST /expenses", "-d", '{"what":"a lamp"}', "--prove-signal", 'decision="approve"')
    p.prove("POST /expenses", "-d", '{"what":"a lamp"}')  # six days take a moment there


@example(gate="/models/thorough/hard")
def race(p):
    run, status, text = p.killed("GET /answers/hard")
    assert (status, json.loads(text)["by"], json.loads(text)["answer"]["done"]) == (200, "thorough", "hard"), text
    assert p.service.asked.count("/models/thorough/hard") == 2, p.service.asked
    p.service.gate = "/models/thorough/tides"
    p.service.opened.clear()
    status, text = p.ask("GET /answers/tides")  # the other one never answers
    assert (status, json.loads(text)["by"]) == (200, "quick"), text
    p.service.opened.set()
    p.prove("GET /answers/hard")  # of two that answer, either may be the first after a crash
    p.prove("GET /answers/none")  # a minute takes a moment there


@example(gate="/parcels")
def courier(p):
    order = p.begin("POST /orders", {"item": "lamp"})
    p.until(order, '"kind":"signal"')
    _, status, text = p.killed("POST /deliveries", {"order": order["runId"]})
    assert (status, text) == (200, '{"told":true}'), text
    status, text = p.ask("GET " + order["outputUrl"])
    assert status == 200 and json.loads(text)["parcel"]["done"] == "parcels", text
    assert list(p.service.done.values()) == ["/parcels"], p.service.done  # asked twice, handed over once
    for late in (order["runId"], "nobody", None):
        assert p.ask("POST /deliveries", {"order": late}) == (404, '{"told":false}'), late
    p.prove("POST /deliveries", "-d", '{"order":"nobody"}')
    p.prove("POST /orders", "--prove-signal", 'delivered={"done":"parcels"}')


@example(gate="/rates/eur/yesterday")
def retry(p):
    assert p.ask("GET /rates/usd") == (
        200,
        json.dumps({"price": 7, "text": "chapter usd", "rate": 2, "done": "usd", "height": 3}, separators=(",", ":")),
    )
    assert p.service.asked.count("/rates/usd") == 3  # busy twice
    assert p.ask("GET /rates/zzz") == (404, '{"error":"there is no currency zzz"}')
    assert p.service.asked.count("/rates/zzz") == 1
    p.service.gate = "/rates/eur"
    _, status, text = p.killed("GET /rates/eur")
    assert status == 200, text
    p.prove("GET /rates/eur")


@example(gate="/parcels")
def patch(p):
    p.stop()
    p.more = ["--former"]
    p.start()
    run = p.begin("POST /orders", {"item": "lamp"})
    assert p.service.reached.wait(WAIT_S)  # it is charged
    p.stop()
    p.more = []
    checked = p.check()
    assert (checked.returncode, checked.stdout) == (
        0,
        "1 live and 0 ended runs: 1 ok, 0 at a new step, 0 differ\n",
    ), checked
    p.service.opened.set()
    p.start()
    assert p.ask("GET " + run["outputUrl"])[0] == 201
    assert "/taxes" not in p.service.asked, p.service.asked
    assert p.ask("POST /orders", {"item": "chair"})[0] == 201
    assert sorted(p.service.done.values()) == sorted(["/stock", "/charges", "/parcels"] * 2 + ["/taxes"])
    p.stop()
    p.more = ["--former"]  # what has gone the new way cannot go back
    checked = p.check()
    assert checked.returncode == 1 and "differs at " in checked.stdout, checked
    p.more = []
    p.start()
    p.prove("POST /orders", "-d", '{"item":"lamp"}')


@example(gate="/parcels")
def ship(p):
    _, status, text = p.killed("POST /_sw/functions/orders/ship", {"item": "lamp"})
    assert status == 200 and sorted(json.loads(text)) == ["mail", "parcel"], text
    assert sorted(p.service.done.values()) == ["/mails", "/parcels"], p.service.done  # asked twice, sent once
    assert p.ask("POST /_sw/functions/orders/none", {})[0] == 404
    run = p.begin("POST /_sw/functions/orders/ship", [])
    p.until(run, "the input is an order")
    p.prove("orders/ship", "-d", '{"item":"lamp"}')


@example(gate="/mails")
def nightly(p):
    listed = json.loads(p.ask("GET /_sw/schedules")[1])["schedules"][0]
    assert (listed["name"], len(listed["next"])) == ("reports/nightly", 5), listed
    _, status, text = p.killed("POST /_sw/schedules/reports/nightly")
    assert status == 200 and json.loads(text)["price"] == 7, text
    assert list(p.service.done.values()) == ["/mails"], p.service.done
    p.prove("reports/nightly", "-d", '{"scheduled_at":1764379800000}')


@example(gate="/parcels")
def parcels(p):
    _, status, text = p.killed("POST /_sw/functions/parcels/order", ["lamp", "chair", 7])
    assert status == 200 and [sent["ok"] for sent in json.loads(text)] == [True, True, False], text
    assert json.loads(text)[2]["error"] == "an item is a text", text
    end = time.monotonic() + WAIT_S
    while "/mails" not in p.service.done.values():  # nobody waits for it
        assert time.monotonic() < end, "no mail is sent"
        time.sleep(0.01)
    assert sorted(p.service.done.values()) == ["/mails", "/parcels", "/parcels"], p.service.done
    p.prove("parcels/one", "-d", '"lamp"')
    p.service.done.clear()
    p.prove("parcels/order", "-d", '["lamp","chair",7]')  # with its parcels, and the mail
    assert sorted(p.service.done.values()) == ["/mails", "/parcels", "/parcels"], p.service.done


@example(gate="/prices/lamp")
def plain(p):
    _, status, text = p.killed("POST /quotes", {"item": "lamp"})
    assert (status, text) == (201, "7"), text
    assert p.ask("GET /prices/lamp") == (200, "7")
    assert p.ask("GET /items")[1].count("\r\n") == 10000
    p.prove("POST /quotes", "-d", '{"item":"lamp"}')


@example(gate="/chapters/3")
def progress(p):
    run, status, text = p.killed("GET /books/tides", middle='"kind":"status"', times=1)
    assert (status, json.loads(text)) == (200, [f"chapter {n}" for n in range(1, 6)]), text
    told = json.loads(p.ask(f"GET /_sw/runs/{run['runId']}")[1])
    assert told["labels"] == {"title": "tides"} and told["status"] == {"done": 5, "of": 5}, told
    assert told["usage"] == {"inputTokens": 0, "outputTokens": 0, "units": 35}, told  # asked for 6 times, answered 5
    kinds = [e["kind"] for e in told["entries"]]
    assert kinds.count("label") == 1 and kinds.count("usage") == 5 and 2 <= kinds.count("status") <= 5, kinds
    p.prove("GET /books/tides")


@example(service=False)
def browser(p):
    assert "new EventSource(run.readUrl.replace('/output', '/stream'))" in p.ask("GET /")[1]
    run, status, text = p.killed("GET /countdown", middle='"kind":"sleep"')
    assert (status, text) == (200, '"lift-off"'), text
    stream = p.ask("GET " + run["streamUrl"])[1]
    assert re.findall(r'"data":("?[\w-]+"?)', stream) == [*map(str, range(10, 0, -1)), '"lift-off"'], stream
    p.prove("GET /countdown")


@example(gate="/hotels")
def trip(p):
    _, status, text = p.killed("POST /trips", {"to": "Rome"})
    assert (status, sorted(json.loads(text))) == (201, ["flight", "hotel"]), text
    assert sorted(p.service.done.values()) == ["/flights", "/hotels"], p.service.done
    status, text = p.ask("POST /trips", {"to": "nowhere"})
    assert status == 409 and "answered 422" in text, text
    assert sorted(p.service.done.values()) == ["/flights", "/flights", "/hotels", "/hotels", "/returns"], p.service.done
    p.prove("POST /trips", "-d", '{"to":"Rome"}')
    p.prove("POST /trips", "-d", '{"to":"nowhere"}')


@example(gate="/chapters/2")
def deadline(p):
    _, status, text = p.killed("GET /report")
    assert (status, json.loads(text)) == (200, ["chapter 1", "chapter 2", "chapter 3"]), text
    p.prove("GET /report")
    p.service.opened.clear()
    p.service.reached.clear()
    run = p.begin("GET /report")
    assert p.service.reached.wait(WAIT_S)
    assert p.ask("DELETE " + run["outputUrl"].replace("/output", ""))[0] in (200, 202)
    p.until(run, '"cancelled"')
    p.service.opened.set()
    p.stop(signal.SIGTERM)
    # Of the attempts that were killed; all others have cleaned up, whatever ended them.
    assert sum(name.startswith("draft-") for name in os.listdir(p.root)) <= 3, os.listdir(p.root)
    p.start()


@example(service=False)
def blocking(p):
    _, status, text = p.killed("GET /primes", middle='"part"')
    assert (status, sum(json.loads(text))) == (200, 63951), text  # primes below 800,000
    p.prove("GET /primes", "--prove-points", "4")


@example(gate="/mails")
def values(p):
    _, status, text = p.killed("POST /invoices", {"lines": {"lamp": 12.5, "chair": 80}})
    assert status == 200 and [line.split() for line in text.splitlines()] == [
        ["lamp", "12.50"],
        ["chair", "80.00"],
        ["sum", "92.50"],
    ], text
    assert len(p.service.done) == 1, p.service.done
    assert p.ask("POST /invoices", {"lines": {"lamp": True}}) == (422, '{"error":"lamp has no price"}')
    assert p.ask("POST /invoices", {"lines": [12.5]}) == (422, '{"error":"a line has no price"}')
    p.prove("POST /invoices", "-d", '{"lines":{"lamp":12.5,"chair":80}}')


def run(name):
    function, gate, calls = examples[name]
    with tempfile.TemporaryDirectory(prefix="stepwell-example-") as root:
        program = Program(name, Service(gate) if calls else None, root)
        program.start()
        try:
            function(program)
            assert program.stop(signal.SIGTERM) == 0
        finally:
            if program.process.poll() is None:
                program.stop()


chosen = sys.argv[2:] or list(examples)
sources = {f.split(".")[0]: f for f in os.listdir(os.path.join(os.path.dirname(__file__), "../../examples"))}
print(f"1..{len(chosen) + 1}")
failed = 0
with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
    runs = [(name, pool.submit(run, name)) for name in chosen]
    for number, (name, result) in enumerate(runs, 1):
        error = result.exception()
        failed += error is not None
        for line in str(error).splitlines() if error else []:
            print("#", line)
        print("not ok" if error else "ok", number, f"- {name}: killed in the middle, resumed and proved", flush=True)
long = [
    f
    for f in sources.values()
    if f[-1] in "cp" and sum(1 for _ in open(os.path.join(os.path.dirname(__file__), "../../examples", f))) > 40
]
complete = not long and {n for n, f in sources.items() if f.endswith((".c", ".cpp"))} == set(examples)
print("ok" if complete else "not ok", len(chosen) + 1, "- every example is tested, and has at most 40 lines", *long)
sys.exit(1 if failed or not complete else 0)
