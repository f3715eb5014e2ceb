"""What the matrix's clients and program call beside each other: a server that redirects without end, one that is
silent, the gate that the program asks for leave, and the page that Chromium opens."""
import collections
import http.server
import os
import select
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REDIRECTS_MAX = 130  # more than any client follows that has a limit
WAIT_S = 600  # for a gate; nothing is judged by how long it took


class Outside(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.changed = threading.Condition()
        self.redirects = {}  # name: the last redirect that was followed
        self.heads = {}  # name: the head of the first request
        self.waits = {}  # name: how long the client waited for a head, in seconds; None: as long as it was let
        self.bound_s, self.bounds = 0, {}  # how long, at most; and for a name
        self.run_ids = {}  # gate: the runs that asked for leave
        self.gates_open = set()
        self.broken = collections.Counter()  # name: how often the client asked
        self.sent_on = {}  # name: where to
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # clients that give up, and programs that are killed, reset their connections

    def wait(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, WAIT_S):
                raise TimeoutError("the clients did not come")

    def open_gates(self, names):
        with self.changed:
            self.gates_open.update(names)
            self.changed.notify_all()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, *rest = self.path.lstrip("/").split("/")
        getattr(self, "answer_" + kind.split(".")[0].replace("-", "_"))(*rest)

    do_POST = do_GET

    def do_OPTIONS(self):
        self.give(204, headers={"Access-Control-Allow-Methods": "*", "Access-Control-Allow-Headers": "*"})

    def answer_redirects(self, name, n):
        """As many as the client likes, each to another URL."""
        server, n = self.server, int(n)
        with server.changed:
            server.heads.setdefault(name, f"{self.requestline}\n{self.headers}")
            server.redirects[name] = max(n, server.redirects.get(name, 0))
        if n < REDIRECTS_MAX:
            self.give(303, headers={"Location": f"{server.url}/redirects/{name}/{n + 1}"})
        else:
            self.give(200)

    def answer_silence(self, name):
        """Until the client goes, or the bound is reached."""
        server, begun = self.server, time.monotonic()
        gone = select.select([self.connection], [], [], server.bounds[name])[0]
        with server.changed:
            server.waits.setdefault(name, time.monotonic() - begun if gone else None)
            server.changed.notify_all()
        if not gone:
            self.give(200)
        self.close_connection = True

    def answer_gate(self, name, run_id):
        server = self.server
        with server.changed:
            server.run_ids.setdefault(name, set()).add(run_id)
            server.changed.notify_all()
            server.changed.wait_for(lambda: name in server.gates_open, WAIT_S)
        self.give(200)

    def answer_broken(self, name):
        """A server that has read the request and dies; the next one answers."""
        server = self.server
        with server.changed:
            server.broken[name] += 1
            again = server.broken[name] > 1
        if again:
            self.give(200)
        self.close_connection = True

    def answer_sent_on(self, name):
        self.give(303, headers={"Location": self.server.sent_on[name]})

    def answer_page(self):
        self.give(200, b"<!doctype html><title>a page of another origin</title>", {"Content-Type": "text/html"})

    def answer_fetch_event_source(self, name):
        folder = os.path.join(HERE, "node_modules/@microsoft/fetch-event-source/lib/esm")
        name = os.path.basename(name)
        with open(os.path.join(folder, name if name.endswith(".js") else name + ".js"), "rb") as file:
            self.give(200, file.read(), {"Content-Type": "text/javascript"})

    def answer_favicon(self):
        self.give(204)

    def give(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Access-Control-Allow-Origin", "*")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
