"""docs/openapi.yaml says what the admin API does: each route of the program is in it and the other way round, and a
live server's answers have the members that it names, all that it requires and no others.

Usage: openapi.py PROGRAM SOURCES, with service_run_page as the program. Reports TAP.

Who adds a path to the page adds a function to ASK, which has a live server answer it."""
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse

import yaml

program, sources = sys.argv[1], os.path.abspath(sys.argv[2])
PAGE = os.path.join(sources, "docs/openapi.yaml")
ROUTES = os.path.join(sources, "runtime/admin/routes.c")
WAIT_S = 240
METHODS = ("get", "post", "put", "patch", "delete")
NEVER = "0" * 26  # no run has this id
cases = 0
page = yaml.safe_load(open(PAGE, encoding="utf-8"))


def report(name, faults):
    global cases
    cases += 1
    print(f"{'not ok' if faults else 'ok'} {cases} - {name}")
    for fault in faults:
        print("# " + str(fault).replace("\n", "\n# "))
    sys.stdout.flush()


# ---- The page itself ----


def resolve(node):
    """What a $ref stands for."""
    while "$ref" in node:
        at = page
        for name in node["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        node = at
    return node


def refs(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def operations():
    """(method, path, operation) of each one."""
    for path, item in page["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def test_page():
    """Names are used once, and what is referred to is there."""
    faults = []
    for ref in set(refs(page)):
        try:
            resolve({"$ref": ref})
        except KeyError:
            faults.append(f"there is no {ref}")
    names = [operation["operationId"] for _, _, operation in operations()]
    faults += [f"two operations are called {name}" for name in set(names) if names.count(name) > 1]
    used = {ref.split("/")[-1] for ref in refs(page)}
    for kind in ("schemas", "responses", "parameters"):
        faults += [f"nothing uses {name}" for name in page["components"][kind] if name not in used]
    report("the page refers to what is there", faults)


def program_routes():
    """(method, path) of those at the door of the admin API."""
    text = open(ROUTES, encoding="utf-8").read()
    found = re.findall(r'\{"([A-Z]+) (/_sw/[^"]*)", \w+, (DOOR_\w+)', text)
    assert found, "routes.c has another form than this test knows"
    return {(method, re.sub(r"[:*](\w+)", r"{\1}", path)) for method, path, door in found if door != "DOOR_PUBLIC"}


def test_routes():
    described = {(method, path) for method, path, _ in operations()}
    faults = [f"{method} {path} is not in docs/openapi.yaml" for method, path in program_routes() - described]
    faults += [f"{method} {path} is no route" for method, path in described - program_routes()]
    report("each route is described, and no other", faults)


# ---- Comparing ----

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
         "null": type(None)}


def is_of(value, name):
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, TYPES[name])


def members(schema):
    """(properties, required) of an object, of all its parts together."""
    schema = resolve(schema)
    properties, required = dict(schema.get("properties", {})), set(schema.get("required", []))
    for part in schema.get("allOf", []):
        more, needed = members(part)
        properties.update(more)
        required |= needed
    return properties, required


def compare_object(value, schema, where):
    properties, required = members(schema)
    others = resolve(schema).get("additionalProperties")
    for name in required - value.keys():
        yield f"{where}: {name} is missing"
    for name, member in value.items():
        if name in properties:
            yield from compare(member, properties[name], f"{where}.{name}")
        elif isinstance(others, dict):
            yield from compare(member, others, f"{where}.{name}")
        elif not others:
            yield f"{where}: {name} is not described"


def compare(value, schema, where):
    """What of the value is not as the schema says."""
    schema = resolve(schema)
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds] if kinds else []
    if kinds and not any(is_of(value, kind) for kind in kinds):
        yield f"{where}: {value!r:.80} is not {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r:.80} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r:.80} is not {schema['const']!r}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r:.80} does not fit {schema['pattern']}"
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from compare(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict) and ("properties" in schema or "allOf" in schema or "additionalProperties" in schema):
        yield from compare_object(value, schema, where)


def test_compare():
    """It finds what it has to find."""
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {"enum": ["x"]}}}
    wrong = [({}, "a is missing"), ({"a": 1, "c": 2}, "c is not described"), ({"a": "1"}, "is not integer"),
             ({"a": True}, "is not integer"), ({"a": 1, "b": "y"}, "none of"), ([], "is not object")]
    faults = [f"{value} passes" for value, says in wrong if says not in str(list(compare(value, schema, "it")))]
    faults += list(compare({"a": 1, "b": "x"}, schema, "it"))
    report("a wrong answer would be noticed", faults)


# ---- A live server ----


class Server:
    """The program, with operators of each scope, and what was asked of it."""

    def __init__(self, folder):
        self.folder = folder
        self.answered = {}  # (method, path of the page): statuses
        self.faults = []
        for name in ("ann", "root"):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
                f.write(f"the-token-of-{name}-long-enough")
            os.chmod(f"{folder}/{name}", 0o600)
        os.mkdir(folder + "/backups")
        args = [program, "--serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--loops", "2"]
        args += ["--token", f"ann:view:{folder}/ann", "--token", f"root:admin:{folder}/root", "--park-after", "0"]
        args += ["--data", folder + "/data", "--backup-dir", folder + "/backups", "--heartbeat", "100ms"]
        self.log = open(folder + "/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.address = self.said(r"listening on http://([^\s\"]+)")
        self.admin = self.said(r"the admin API is at http://([^\s\"/]+)")

    def said(self, pattern):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            found = re.search(pattern, open(self.folder + "/log", encoding="utf-8").read())
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        sys.exit("Bail out! the program does not say " + pattern)

    def begin(self, path, body=""):
        """Begins a run and returns its id."""
        connection = http.client.HTTPConnection(self.address, timeout=WAIT_S)
        connection.request("POST", f"{path}?at={self.address}", body, {"Prefer": "respond-async"})
        answer = connection.getresponse()
        assert answer.status == 202, answer.status
        return answer.headers["X-Run-Id"]

    def open(self, method, path, who="root", body=None, **fill):
        """Asks, and returns the answer when its head is there. `path` is the page's."""
        headers = {"Authorization": f"Bearer the-token-of-{who}-long-enough"} if who else {}
        target = re.sub(r"\{(\w+)\}", lambda m: urllib.parse.quote(fill[m[1]], safe=""), path)
        query = fill.get("query")
        connection = http.client.HTTPConnection(self.admin, timeout=WAIT_S)
        connection.request(method, target + (f"?{query}" if query else ""), body, headers)
        answer = connection.getresponse()
        self.answered.setdefault((method, path), set()).add(answer.status)
        return answer

    def ask(self, method, path, status, who="root", **fill):
        """Asks, compares the answer with the page, and returns its body."""
        answer = self.open(method, path, who, **fill)
        text = answer.read().decode()
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        where = f"{method} {path} {answer.status}"
        expected = status if isinstance(status, tuple) else (status,)
        if answer.status not in expected:
            self.faults.append(f"{where}, and not {status}: {text:.300}")
        described = page["paths"][path][method.lower()]["responses"].get(str(answer.status))
        content = resolve(described).get("content", {}) if described else None
        if content == {} and not text:
            return None
        if content is None or kind not in content:
            self.faults.append(f"{where} with {kind} is not described")
            return text
        if kind not in ("application/json", "application/problem+json"):
            return text
        value = json.loads(text)
        self.faults += list(compare(value, content[kind]["schema"], where))
        return value

    def await_run(self, run, is_so):
        """Reads the run's page until it is so."""
        while True:
            found = self.ask("GET", "/_sw/runs/{id}", 200, id=run)
            if is_so(found):
                return found
            time.sleep(0.01)


def refusals(server, method, path, **fill):
    """Whoever has no token, or a wrong one."""
    server.ask(method, path, 401, who=None, **fill)
    server.ask(method, path, 403, who="eve", **fill)


def ask_health(server):
    server.ask("GET", "/_sw/healthz", 200, who=None)
    server.ask("GET", "/_sw/readyz", 200, who=None)


def ask_metrics(server):
    if "stepwell_runs_started_total" not in server.ask("GET", "/_sw/metrics", 200, who="ann"):
        server.faults.append("the page of metrics has no runs")
    refusals(server, "GET", "/_sw/metrics")


def ask_backup(server):
    server.ask("POST", "/_sw/backup", 201, query="name=first")
    server.ask("POST", "/_sw/backup", 409, query="name=first")
    server.ask("POST", "/_sw/backup", 400)
    server.ask("POST", "/_sw/backup", 403, who="ann", query="name=second")
    refusals(server, "POST", "/_sw/backup", query="name=second")


def ask_session(server):
    server.ask("POST", "/_sw/session", 404, who=None, body="ABCD")  # codes come with --dev alone


def ask_feed(server):
    """Reads until a run that begins meanwhile has ended."""
    server.ask("GET", "/_sw/feed", 400, query="run=nothing")
    refusals(server, "GET", "/_sw/feed")
    answer = server.open("GET", "/_sw/feed", query="steps=1")
    run, names = server.begin("/orders/north"), set()
    while "succeeded" not in names:
        line = answer.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            schema = members({"$ref": "#/components/schemas/FeedEvent"})[0][name]
            server.faults += list(compare(data, schema, f"event {name}"))
            names |= {name, data["state"]} if data["runId"] == run else set()
    server.faults += [f"there was no {name}" for name in {"run", "step", "retrying", "done", "sleeping"} - names]
    answer.close()


def ask_runs(server):
    """One in each state, with each kind of step."""
    kinds = {"/orders/north": None, "/retry": "retry", "/nap": "sleep", "/call": "attempt", "/print": "stopped"}
    for path, kind in kinds.items():
        run = server.begin(path, '{"tea":true}')
        server.await_run(run, lambda found, kind=kind: found.get("why", {}).get("kind") == kind)
    server.ask("GET", "/_sw/runs", 200, who="ann")
    server.ask("GET", "/_sw/runs", 200, query=f"limit=1&before={run}")
    server.ask("GET", "/_sw/runs", 400, query="limit=0")
    server.ask("GET", "/_sw/runs/{id}", 404, id=NEVER)
    server.ask("GET", "/_sw/runs/{id}", 404, id="nothing")
    refusals(server, "GET", "/_sw/runs")
    refusals(server, "GET", "/_sw/runs/{id}", id=run)


def ask_views(server):
    server.ask("PUT", "/_sw/settings/{name}", 200, name="endpoint:POST /nap", body='{"value":{"stopped":true}}')
    found = server.ask("GET", "/_sw/endpoints", 200, who="ann")["endpoints"]
    if not any(it["endpoint"] == "POST /nap" and it.get("stopped", {}).get("by") == "root" for it in found):
        server.faults.append("who has stopped an endpoint is not said")
    server.ask("DELETE", "/_sw/settings/{name}", 204, name="endpoint:POST /nap")
    server.ask("GET", "/_sw/errors", 200, who="ann", query="limit=3")
    server.ask("GET", "/_sw/errors", 400, query="limit=0")
    server.ask("GET", "/_sw/process", 200, who="ann")
    for path in ("/_sw/endpoints", "/_sw/errors", "/_sw/process"):
        refusals(server, "GET", path)


def ask_bulk(server):
    nap = server.begin("/nap")
    server.await_run(nap, lambda found: found["state"] == "sleeping")
    stop = '{"action":"stop","filter":{"endpoint":"POST /nap"}'
    server.ask("POST", "/_sw/bulk", 200, body=stop + ',"dryRun":true}')
    server.ask("POST", "/_sw/bulk", 202, body=stop + "}")
    server.await_run(nap, lambda found: found["state"] == "stopped")
    server.ask("POST", "/_sw/bulk", 400, body='{"action":"stop"}')
    refusals(server, "POST", "/_sw/bulk", body=stop + "}")


def ask_steering(server):
    nap, stopped = server.begin("/nap"), server.begin("/print")
    server.await_run(nap, lambda found: found["state"] == "sleeping")
    server.await_run(stopped, lambda found: found["state"] == "stopped")
    server.ask("POST", "/_sw/runs/{id}/release", 409, id=nap)
    server.ask("POST", "/_sw/runs/{id}/release", (200, 503), id=stopped)  # a slow disk
    server.ask("POST", "/_sw/runs/{id}/release", 404, id=NEVER)
    server.ask("POST", "/_sw/runs/{id}/stop", (200, 202), id=nap, body='{"text":"the partner is closed"}')
    server.await_run(nap, lambda found: found.get("why", {}).get("kind") == "stopped")
    server.ask("POST", "/_sw/runs/{id}/stop", (202, 409), id=nap)
    server.ask("POST", "/_sw/runs/{id}/stop", 400, id=nap, body='{"text":17}')
    server.ask("POST", "/_sw/runs/{id}/stop", 404, id=NEVER)
    server.ask("POST", "/_sw/runs/{id}/resume", 409, id=nap)
    server.ask("POST", "/_sw/runs/{id}/resume", 400, id=nap, body='{"generation":0}')
    server.ask("POST", "/_sw/runs/{id}/resume", 404, id=NEVER)
    server.ask("POST", "/_sw/runs/{id}/fork", 200, id=nap, body='{"dryRun":true}')
    server.ask("POST", "/_sw/runs/{id}/fork", 202, id=nap, body="{}")
    server.ask("POST", "/_sw/runs/{id}/fork", 400, id=nap, body='{"from":17}')
    assert len(server.ask("GET", "/_sw/runs/{id}", 200, id=nap)["forks"]) == 1
    server.ask("GET", "/_sw/runs/{id}", 400, id=nap, query="forks_before=17")
    server.ask("POST", "/_sw/runs/{id}/fork", 404, id=NEVER)
    server.ask("POST", "/_sw/runs/{id}/signals/{name}", 202, id=nap, name="go", body='{"by":"ann"}')
    server.ask("POST", "/_sw/runs/{id}/signals/{name}", 202, id=nap, name="go")
    server.ask("POST", "/_sw/runs/{id}/signals/{name}", 400, id=nap, name="go", body="{")
    server.ask("POST", "/_sw/runs/{id}/signals/{name}", 404, id=NEVER, name="go")
    server.ask("DELETE", "/_sw/runs/{id}", 200, id=nap)
    while server.ask("POST", "/_sw/runs/{id}/resume", (202, 503), id=nap).get("status") == 503:
        time.sleep(0.01)  # signals that it has not taken are being deleted
    server.ask("DELETE", "/_sw/runs/{id}", 200, id=nap)
    server.ask("DELETE", "/_sw/runs/{id}", 404, id=NEVER)
    ended = server.begin("/orders/south")
    server.await_run(ended, lambda found: found["state"] == "succeeded")
    server.ask("DELETE", "/_sw/runs/{id}", 409, id=ended)
    server.ask("POST", "/_sw/runs/{id}/signals/{name}", 409, id=ended, name="go")
    for method, path in (("DELETE", "/_sw/runs/{id}"), ("POST", "/_sw/runs/{id}/release"),
                         ("POST", "/_sw/runs/{id}/stop"), ("POST", "/_sw/runs/{id}/resume"),
                         ("POST", "/_sw/runs/{id}/fork")):
        server.ask(method, path, 403, who="ann", id=nap)
        refusals(server, method, path, id=nap)


def ask_start(server):
    begins = '{"endpoint":"POST /nap","target":"/nap"}'
    started = server.ask("POST", "/_sw/runs", 202, body=begins)
    server.await_run(started["runId"], lambda found: found["state"] == "sleeping")
    server.ask("POST", "/_sw/runs", 400, body="{}")
    server.ask("POST", "/_sw/runs", 404, body='{"endpoint":"POST /nowhere","target":"/nowhere"}')
    server.ask("POST", "/_sw/runs", 403, who="ann", body=begins)
    refusals(server, "POST", "/_sw/runs", body=begins)


def ask_children(server):
    path = "/_sw/runs/{id}/children"
    caller = server.ask("POST", "/_sw/functions/{name}", 202, name="shop/fill", body="[1,2,3]")["runId"]
    server.await_run(caller, lambda found: found["state"] == "succeeded")
    first = server.ask("GET", path, 200, who="ann", id=caller, query="limit=2")
    rest = server.ask("GET", path, 200, id=caller, query=f"before={first['next']}")
    if [len(first["children"]), len(rest["children"]), "next" in rest] != [2, 2, False]:
        server.faults.append(f"four children are listed as {first} and {rest}")
    if [it.get("detached", False) for it in first["children"] + rest["children"]].count(True) != 1:
        server.faults.append("which child nobody waits for is not said")
    server.ask("GET", path, 400, id=caller, query="limit=501")
    server.ask("GET", path, 404, id=NEVER)
    refusals(server, "GET", path, id=caller)


def ask_functions(server):
    path = "/_sw/functions/{name}"
    started = server.ask("POST", path, 202, name="shop/restock", body='{"tea":[1,null]}')
    found = server.await_run(started["runId"], lambda found: found["state"] == "succeeded")
    if found.get("input") != {"tea": [1, None]} or "request" in found:
        server.faults.append("what a function was given is not shown")
    kinds = {it["endpoint"]: it["kind"] for it in server.ask("GET", "/_sw/endpoints", 200)["endpoints"]}
    if kinds.get("shop/restock") != "function":
        server.faults.append("it is not listed as a function")
    server.ask("POST", path, 400, name="shop/restock", body="{")
    server.ask("POST", path, 404, name="POST /nap", body="{}")
    server.ask("POST", path, 413, name="shop/restock", body=f'"{"x" * 65536}"')
    server.ask("POST", path, 403, who="ann", name="shop/restock", body="{}")
    refusals(server, "POST", path, name="shop/restock", body="{}")


def ask_waits(server):
    """A run that calls, asks, waits for the first of several, and tells another one, in each of its states."""
    run = server.ask("POST", "/_sw/functions/{name}", 202, name="shop/decide", body='{"tea":1}')["runId"]
    asked = server.await_run(run, lambda found: "questions" in found and found["state"] == "sleeping")
    if [it["state"] for it in asked["questions"]] != ["open"]:
        server.faults.append(f"its question is {asked['questions']}")
    signal = ("POST", "/_sw/runs/{id}/signals/{name}", 202)
    server.ask(*signal, id=run, name="other", body="1")
    if server.await_run(run, lambda found: "signalsKept" in found)["signalsKept"] != 1:
        server.faults.append("a signal that nobody has taken is not counted")
    server.ask("POST", "/_sw/runs/{id}/fork", 200, id=run, body='{"dryRun":true}')
    server.ask(*signal, id=run, name="answer", body='"yes"')
    ended = server.await_run(run, lambda found: found["state"] == "succeeded")
    kinds = {it["kind"] for it in ended["entries"]}
    wanted = {"called", "returned", "wait", "timed out", "taken", "signal", "won", "value", "sent", "sleep"}
    server.faults += [f"no entry is {kind}" for kind in wanted - kinds]
    for it in ended["steps"]:
        if it.get("child"):
            server.await_run(it["child"], lambda found: "why" not in found)
    plan = server.ask("POST", "/_sw/runs/{id}/fork", 200, id=run, body='{"dryRun":true}')
    if {it["kind"] for it in plan["again"]} != {"call", "wait", "sleep", "value", "signal"}:
        server.faults.append(f"its fork does again {plan['again']}")


def ask_settings(server):
    path, name = "/_sw/settings/{name}", "endpoint:POST /nap"
    server.ask("PUT", path, 200, name=name, body='{"value":{"stopped":true,"retryAfter":30}}')
    if not server.ask("GET", "/_sw/settings", 200, who="ann")["settings"]:
        server.faults.append("what was set is not listed")
    server.ask("PUT", path, 400, name=name, body='{"value":17}')
    server.ask("PUT", path, 404, name="endpoint:POST /nowhere", body='{"value":{"stopped":true}}')
    server.ask("DELETE", path, 204, name=name)
    server.ask("DELETE", path, 404, name="nothing")
    for method in ("PUT", "DELETE"):
        server.ask(method, path, 403, who="ann", name=name)
        refusals(server, method, path, name=name)
    refusals(server, "GET", "/_sw/settings")


def ask_schedules(server):
    path, name = "/_sw/schedules/{name}", "nightly"
    for paused in ("true", "false"):
        server.ask("PUT", path, 200, name=name, body='{"paused":%s}' % paused)
    if not server.ask("GET", "/_sw/schedules", 200, who="ann")["schedules"]:
        server.faults.append("the schedule is not listed")
    server.ask("POST", path, 202, name=name)
    server.ask("PUT", path, 400, name=name, body='{}')
    server.ask("POST", path, 400, name=name, body='7')
    server.ask("DELETE", path, 204, name=name)
    for method, body in (("PUT", '{"paused":true}'), ("DELETE", None), ("POST", None)):
        server.ask(method, path, 404, name="nothing", body=body)
        server.ask(method, path, 403, who="ann", name=name)
        refusals(server, method, path, name=name)
    refusals(server, "GET", "/_sw/schedules")


ASK = [ask_start, ask_functions, ask_children, ask_waits, ask_settings, ask_schedules,
       ask_health, ask_metrics, ask_backup, ask_session, ask_feed, ask_runs, ask_bulk, ask_steering, ask_views]


def test_live(folder):
    server = Server(folder)
    for ask in ASK:
        server.faults = []
        ask(server)
        report(f"a live server answers as the page says: {ask.__name__}", server.faults)
    asked = {(method, path) for method, path, _ in operations()}
    report("each path was asked for", [f"nobody asks for {it}" for it in asked - server.answered.keys()])
    server.process.terminate()
    report("the server ends well", [] if server.process.wait(WAIT_S) == 0 else ["it does not"])


print("1.." + str(3 + len(ASK) + 2))
test_page()
test_routes()
test_compare()
with tempfile.TemporaryDirectory() as temporary:
    test_live(temporary)
