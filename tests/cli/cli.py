"""The command `stepwell` does what docs/cli.md says, asked of a real program and of its folder: lists, single runs,
what is done to runs, copies, damage; and no text of a run reaches a terminal as it is.

Usage: cli.py STEPWELL TOLD [WORDS-OF-A-CASE...]. Reports TAP."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

stepwell, told = map(os.path.abspath, sys.argv[1:3])
WAIT_S = 120
HOSTILE = "red \x1b[31m\r\n\x07\u202eevil\u2066 \x9b2J \x7f tab\t".encode() + b"\xff\xfe end"
root = tempfile.mkdtemp(prefix="stepwell-cli-")
TOKEN = "t0ken-of-the-operator-of-this-test"


def cli(*args, env=None, stdin=b"", out=subprocess.PIPE):
    full = {k: v for k, v in os.environ.items() if not k.startswith("STEPWELL_")}
    done = subprocess.run([stepwell, *args], input=stdin, stdout=out, stderr=subprocess.PIPE,
                          env={**full, **(env or {})}, timeout=WAIT_S, cwd=root, check=False)
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


def expect(code, *args, **more):
    got, out, err = cli(*args, **more)
    assert got == code, f"{args} ended with {got}, not {code}: {out}{err}"
    return out, err


class Program:
    """`told`, serving a folder of `root`."""

    def __init__(self, data, *flags):
        self.data = os.path.join(root, data)
        with open(f"{root}/token", "w", encoding="ascii") as file:
            file.write(TOKEN + "\n")
        os.makedirs(f"{root}/backups", exist_ok=True)
        self.flags = ["--token", f"ops:admin:{root}/token", "--backup-dir", f"{root}/backups", *flags]

    def __enter__(self):
        admin = [] if "--admin-listen" in self.flags else ["--admin-listen", "127.0.0.1:0"]
        own = ["--listen", "127.0.0.1:0", "--data", self.data, "--loops", "1"]  # one loop: ids are in order
        self.process = subprocess.Popen([told, *own, *admin, *self.flags],
                                        cwd=root, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.address = self.admin = None
        while not (self.address and self.admin):
            line = self.process.stderr.readline()
            assert line, "the program does not start"
            self.address = self.address or (re.findall(r"listening on (http://\S+)", line) or [None])[0]
            self.admin = self.admin or (re.findall(r"the admin API is at (\S+)", line) or [None])[0]
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.env = {"STEPWELL_ADMIN_URL": self.admin, "STEPWELL_TOKEN_FILE": f"{root}/token"}
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT_S)

    def ask(self, path, body=None, prefer=False):
        """The run's id."""
        q = urllib.request.Request(self.address + path, data=body, method="GET" if body is None else "POST")
        if prefer:
            q.add_header("Prefer", "respond-async")
        try:
            with urllib.request.urlopen(q, timeout=WAIT_S) as answer:
                return answer.headers["X-Run-Id"] or json.load(answer)["runId"]
        except urllib.error.HTTPError as e:
            return e.headers["X-Run-Id"]

    def run(self, *args, code=0):
        return expect(code, *args, env=self.env)[0]

    def state(self, run):
        return json.loads(self.run("runs", "show", run, "--json"))["state"]

    def until(self, run, state):
        end = time.monotonic() + WAIT_S
        while (now := self.state(run)) != state:
            assert time.monotonic() < end, f"{run} is {now}, not {state}"
            time.sleep(0.02)


def is_harmless(text):
    for ch in text.replace("\n", ""):
        code = ord(ch)
        hostile = code < 32 or 0x7F <= code < 0xA0 or 0x200B <= code <= 0x200F or 0x2028 <= code <= 0x202E
        assert not hostile and not 0x2060 <= code <= 0x206F, f"U+{code:04x} is printed in {text!r}"


cases = []


def case(name):
    return lambda function: cases.append((name, function))


@case("a wrong command line does nothing and ends with 2")
def usage():
    for args in ([], ["walk"], ["runs", "walk"], ["runs", "show"], ["runs", "show", "a", "b"], ["runs", "list", "x"],
                 ["--walk"], ["runs", "list", "--limit"], ["runs", "list", "--limit", "0"],
                 ["runs", "list", "--limit=x"], ["runs", "list", "--text", "x"], ["runs", "list", "--json", "--json"],
                 ["runs", "list", "--json=1"],
                 ["runs", "list", "--data", "a", "--url", "b"], ["runs", "cancel", "a", "--data", "b"],
                 ["bulk", "walk"], ["settings", "set", "a", "{"], ["restore", "a"], ["journal", "verify"],
                 ["journal", "dump"], ["runs", "list", "--token-file", "/nowhere"]):
        out, err = expect(2, *args)
        assert not out and err.startswith("stepwell: ") and err.count("\n") == 1, (args, out, err)
    for args in (["--help"], ["help"], ["runs", "list", "--help"], ["--version"]):
        assert expect(0, *args)[0], args
    assert "--state" in expect(0, "runs", "list", "--help")[0]


@case("who cannot be reached is named, and ends with 3")
def unreachable():
    for url in ("http://127.0.0.1:1", "unix:/nowhere.sock", "/nowhere.sock", "http://no.such.host.invalid"):
        assert url in expect(3, "runs", "list", "--url", url)[1]
    assert "http://127.0.0.1:1" in expect(3, "stats", env={"STEPWELL_ADMIN_URL": "http://127.0.0.1:1"})[1]


@case("runs are listed, chosen and shown")
def lists():
    with Program("lists") as p:
        assert "401" in expect(1, "runs", "list", "--url", p.admin)[1]
        works = [p.ask(f"/work?customer=c{i}") for i in range(3)]
        failed, asleep = p.ask("/fail", b"broken"), p.ask("/sleep", prefer=True)
        p.until(asleep, "sleeping")
        table = p.run("runs", "list").splitlines()
        assert table[0].split() == ["RUN", "STATE", "ENDPOINT", "BEGAN", "(UTC)", "TOOK", "LABELS", "WHAT"], table[0]
        assert [line.split()[0] for line in table[1:]] == [asleep, failed, *reversed(works)], table
        assert "customer:c2" in table[3] and "broken" in table[2] and '{"done":1,"of":1}' in table[3], table
        lines = [json.loads(line) for line in p.run("runs", "list", "--json", "--limit", "2").splitlines()]
        assert [line["runId"] for line in lines] == [asleep, failed]
        filters = ["--state", "failed,sleeping", "--endpoint", "POST /fail"]
        chosen = p.run("runs", "list", "--json", *filters).splitlines()
        assert [json.loads(line)["runId"] for line in chosen] == [failed]
        assert p.run("runs", "list", "--json", "--error", "nothing") == ""
        found = p.run("runs", "list", "--json", "--label", "customer:c1").splitlines()
        assert [json.loads(line)["runId"] for line in found] == [works[1]], found
        shown = p.run("runs", "show", works[0])
        assert re.search(r"state +succeeded", shown) and '"inputTokens":3' in shown, shown
        assert re.search(r"^\S+ m?s +(step done +)?work +(done +)?1 ", shown, re.M), shown
        assert "404" in expect(1, "runs", "show", "0" * 26, env=p.env)[1]
        assert json.loads(p.run("runs", "export", works[0]))["runId"] == works[0]
        p.run("runs", "export", works[0], "--output", "export.json")
        assert "exists" in expect(1, "runs", "export", works[0], "--output", "export.json", env=p.env)[1]
        entries = [json.loads(line) for line in p.run("journal", "dump", works[0]).splitlines()]
        assert entries[0]["kind"] == "started" and entries[-1]["kind"] == "ended" and entries[0]["runId"] == works[0]
        assert re.search(r"^succeeded +3$", p.run("stats"), re.M)
        assert json.loads(p.run("stats", "--json"))["runs_failed_total"] == 1
        with open("/dev/full", "wb") as full:
            expect(1, "runs", "list", env=p.env, out=full)


@case("no text of a run reaches the terminal as it is")
def hostile():
    with Program("hostile") as p:
        failed = p.ask("/fail", HOSTILE)
        works = p.ask("/work?customer=%E2%80%AEx")
        for args in (["runs", "list"], ["runs", "show", failed], ["runs", "list", "--json"], ["runs", "show", works],
                     ["runs", "show", failed, "--json"], ["journal", "dump", failed]):
            is_harmless(p.run(*args))
        assert len(p.run("runs", "list").splitlines()) == 3
        shown = p.run("runs", "show", failed)
        assert "\\x1b[31m\\r\\n\\x07\\u{202e}evil\\u{2066} \\x9b2J \\x7f tab\\t" in shown, shown
        assert "c:\\u{202e}" not in shown
        out, err = expect(1, "runs", "cancel", "\x1b[31m", env=p.env)
        assert "404" in err and not out
    offline = ["--data", "hostile"]
    for args in (["runs", "list"], ["runs", "show", failed], ["runs", "list", "--json"], ["journal", "verify"]):
        is_harmless(expect(0, *args, *offline)[0])


@case("runs are cancelled and released, each refusal beside the others")
def steering():
    with Program("steering") as p:
        a, b, c = (p.ask("/sleep", prefer=True) for _ in range(3))
        p.until(c, "sleeping")
        assert p.run("runs", "cancel", a).startswith(f"{a}: ")
        p.until(a, "cancelled")
        works = p.ask("/work")
        out, err = expect(1, "runs", "cancel", works, b, env=p.env)
        assert f"{works}: " in err and "409" in err and out.startswith(f"{b}: "), (out, err)
        p.until(b, "cancelled")
        assert "409" in expect(1, "runs", "release", c, env=p.env)[1]
        assert p.state(c) == "sleeping"
        p.run("runs", "stop", c, "--text", "look \"here\" first")
        p.until(c, "stopped")
        assert json.loads(p.run("runs", "show", c, "--json"))["detail"] == 'look "here" first'
        p.run("runs", "release", c)
        p.until(c, "sleeping")
        out = p.run("runs", "resume", a, "--timeout-ms", "60000")
        assert out == f"{a}: goes on\n", out
        assert p.state(a) in ("running", "sleeping"), p.run("runs", "show", a)
        assert "409" in expect(1, "runs", "resume", works, env=p.env)[1]


@case("what becomes of a run is followed to its end")
def tail():
    with Program("tail") as p:
        run = p.ask("/sleep?short=1", prefer=True)
        lines = p.run("runs", "tail", run).splitlines()
        assert run in lines[-1] and "succeeded" in lines[-1], lines
        assert p.run("runs", "tail", run) == f"{run} succeeded\n"
        assert "404" in expect(1, "runs", "tail", "0" * 26, env=p.env)[1]
        env = {**os.environ, **p.env}
        watch = subprocess.Popen([stepwell, "runs", "tail", "--json"], stdout=subprocess.PIPE, env=env)
        time.sleep(1)
        failed = p.ask("/fail", HOSTILE)
        line = watch.stdout.readline().decode()
        is_harmless(line)
        assert json.loads(line)["runId"] == failed, line
        watch.kill()
        watch.communicate()


@case("settings are made, shown and taken back")
def settings():
    name = "endpoint:POST /fail"

    def status():
        q = urllib.request.Request(p.address + "/fail", data=b"x", method="POST")
        try:
            return urllib.request.urlopen(q, timeout=WAIT_S).status
        except urllib.error.HTTPError as e:
            return e.code

    with Program("settings") as p:
        assert status() == 500
        p.run("settings", "set", name, '{"stopped": true}')
        assert status() == 503
        rows = p.run("settings").splitlines()
        assert len(rows) == 2 and name in rows[1] and '{"stopped":true' in rows[1] and " ops " in rows[1], rows
        assert json.loads(p.run("settings", "list", "--json"))["settings"][0]["name"] == name
        expect(1, "settings", "set", name, '{"walk": true}', env=p.env)
        expect(1, "settings", "set", "endpoint:GET /nowhere", '{"stopped": true}', env=p.env)
        p.run("settings", "delete", name)
        assert status() == 500 and len(p.run("settings", "list").splitlines()) == 1


@case("the address may be a socket's path")
def by_socket():
    with Program("socket", "--admin-listen", f"{root}/admin.sock") as p:
        run = p.ask("/work")
        for url in (f"unix:{root}/admin.sock", f"{root}/admin.sock"):
            assert run in expect(0, "runs", "list", "--url", url, "--token-file", f"{root}/token")[0]


def fingerprint(folder):
    """Of all that is in a folder."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(at, name), "rb") as file:
                found[os.path.join(at, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


@case("a folder in use is left alone; one that is not is read and not changed")
def offline():
    data = ["--data", "offline"]
    with Program("offline") as p:
        works, asleep = p.ask("/work?customer=ann"), p.ask("/sleep", prefer=True)
        failed = p.ask("/fail", b"broken")
        p.until(asleep, "sleeping")
        for args in (["runs", "list"], ["runs", "show", works], ["journal", "verify"], ["backup", "copied"], ["stats"]):
            err = expect(3, *args, *data)[1]
            assert f"process {p.process.pid} works with" in err and "--url" in err, err
        assert not os.path.exists(f"{root}/copied")
        p.process.kill()
        p.process.wait()
    before = fingerprint(f"{root}/offline")
    rows = [json.loads(line) for line in expect(0, "runs", "list", "--json", *data)[0].splitlines()]
    assert [row["runId"] for row in rows] == [failed, asleep, works], rows
    assert rows[2]["labels"] == {"customer": "ann"} and rows[1]["state"] == "sleeping", rows
    for filter, ids in ((["--state", "failed"], [failed]), (["--label", "customer:ann"], [works]),
                        (["--endpoint", "GET /sleep"], [asleep]), (["--error", "BROKEN"], [failed]),
                        (["--id", works[:26]], [works]), (["--before", failed], [asleep, works]),
                        (["--from", "2100-01-01T00:00:00Z"], []), (["--to", "4102444800000"], [failed, asleep, works])):
        out = expect(0, "runs", "list", "--json", *filter, *data)[0]
        assert [json.loads(line)["runId"] for line in out.splitlines()] == ids, (filter, out)
    shown = expect(0, "runs", "show", works, *data)[0]
    assert re.search(r" work +done +1 ", shown), shown
    dumped = [json.loads(line) for line in expect(0, "journal", "dump", *data)[0].splitlines()]
    assert {line["runId"] for line in dumped} == {works, asleep, failed}, dumped
    verified = expect(0, "journal", "verify", *data)[0]
    assert re.fullmatch(r"3 runs, \d+ entries, 0 damaged\n", verified), verified
    assert json.loads(expect(0, "stats", "--json", *data)[0])["sleeping"] == 1
    assert "the last process died" in cli("doctor", *data)[1], cli("doctor", *data)
    assert "no run" in expect(1, "runs", "show", "0" * 26, *data)[1]
    assert before == {k: v for k, v in fingerprint(f"{root}/offline").items()}, "the folder was changed"
    assert "offline: " not in expect(0, "backup", "copied", *data)[0]
    assert "there already" in expect(1, "backup", "copied", *data)[1]
    assert len(expect(0, "runs", "list", "--json", "--data", "copied")[0].splitlines()) == 3
    with Program("offline") as p:
        assert p.state(works) == "succeeded"


@case("what is no data folder, newer or damaged is refused, and said")
def refused():
    os.makedirs(f"{root}/empty")
    with open(f"{root}/file", "wb"):
        pass
    for name in ("empty", "file", "nowhere"):
        assert "is no data folder" in expect(1, "runs", "list", "--data", name)[1]
    assert not os.listdir(f"{root}/empty")
    with Program("newer") as p:
        p.ask("/work")
    with open(f"{root}/newer/FORMAT", "w", encoding="ascii") as file:
        file.write("99\n")
    assert "format 99" in expect(1, "runs", "list", "--data", "newer")[1]
    assert "format 99" in expect(1, "restore", "newer", "never")[1] and not os.path.exists(f"{root}/never")
    with Program("damaged") as p:
        for i in range(20):
            p.ask("/fail", b"x" * 30000)
    journal = f"{root}/damaged/journal"
    logs = [f"{journal}/{name}" for name in os.listdir(journal) if name.endswith(".log")]
    log = max(logs, key=os.path.getsize)
    with open(log, "r+b") as file:
        file.seek(os.path.getsize(log) // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    err = expect(1, "journal", "verify", "--data", "damaged")[1]
    assert os.path.basename(log) in err, err
    assert os.path.basename(log) in expect(1, "restore", "damaged", "never")[1]
    assert not os.path.exists(f"{root}/never") and not os.path.exists(f"{root}/never.partial")
    with Program("values") as p:
        runs = [p.ask("/fail", str(i).encode() * 30000) for i in range(3)]
        p.run("backup", "values")
    journal = f"{root}/backups/values/journal"
    for name in os.listdir(journal):
        with open(f"{journal}/{name}", "r+b") as file:
            at = file.read().find(b"1" * 1000) if name.endswith(".blob") else -1
            if at >= 0:
                file.seek(at + 500)
                file.write(b"?")
    out, err = expect(4, "journal", "verify", "--data", "backups/values")
    assert f"between {runs[0]} and {runs[2]}  values that cannot be read" in out and " 1 damaged" in out, out + err
    assert "cannot be read" in expect(1, "runs", "show", runs[1], "--data", "backups/values")[1]
    assert len(expect(0, "runs", "list", "--json", "--data", "backups/values")[0].splitlines()) == 2


@case("a backup is made and restored, and its live runs stand until they are released")
def restore():
    with Program("first") as p:
        works, asleep = p.ask("/work"), p.ask("/sleep?short=1", prefer=True)
        assert re.match(r"monday: .* in .*, in the server's --backup-dir", p.run("backup", "monday"))
        assert "409" in expect(1, "backup", "monday", env=p.env)[1]
        assert "400" in expect(1, "backup", "../x", env=p.env)[1]
        p.until(asleep, "succeeded")
    os.makedirs(f"{root}/second")
    said = expect(0, "restore", "backups/monday", "second/")[0]
    assert "1 runs stopped" in said, said
    assert "there already" in expect(1, "restore", "backups/monday", "second")[1]
    row = json.loads(expect(0, "runs", "list", "--json", "--state", "stopped", "--data", "second")[0])
    assert row["runId"] == asleep and row["reason"] == "operator" and "restored from the backup" in row["detail"], row
    assert "! 1 stopped (operator)" in expect(4, "doctor", "--data", "second")[0]
    for _ in range(2):  # a restart lets it stand
        with Program("second") as p:
            time.sleep(2)
            assert p.state(asleep) == "stopped" and p.state(works) == "succeeded"
    with Program("second") as p:
        assert "stopped" in p.run("doctor", code=4)
        p.run("runs", "release", asleep)
        p.until(asleep, "succeeded")
    with Program("third") as p:
        pass
    assert json.loads(expect(0, "restore", "--json", "third", "fourth")[0])["stopped"] == 0


@case("completion knows the commands that there are")
def completion():
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../cli/completion.bash")

    def complete(*words):
        line = " ".join(f"'{w}'" for w in ("stepwell", *words))
        ask = f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _stepwell; "
        say = ask + "printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", say], capture_output=True, text=True, check=True, cwd=root)
        return done.stdout.split()

    helped = expect(0, "--help")[0]
    commands = [m.split() for m in re.findall(r"^  stepwell (\w+(?: [a-z]+)?)", helped, re.M)]
    assert {c[0] for c in commands} == {w for w in complete("") if not w.startswith("-")}
    for noun in ("runs", "settings", "journal"):
        verbs = {c[1] for c in commands if c[0] == noun and len(c) > 1}
        assert verbs and verbs == {w for w in complete(noun, "") if not w.startswith("-")}, noun
    for noun, verb in (c for c in commands if len(c) > 1):
        options = set(re.findall(r"--[a-z-]+", expect(0, noun, verb, "--help")[0]))
        assert options == {w for w in complete(noun, verb, "-") if w.startswith("-")}, (noun, verb)
    assert complete("runs", "list", "--state", "fa") == ["failed"]


chosen = sys.argv[3:]
print(f"1..{len(cases)}")
failed = 0
for number, (name, function) in enumerate(cases, 1):
    if chosen and not any(c in name for c in chosen):
        print(f"ok {number} - {name} # SKIP")
        continue
    try:
        function()
        print(f"ok {number} - {name}", flush=True)
    except Exception as e:  # pylint: disable=broad-except
        failed += 1
        print(f"not ok {number} - {name}")
        for line in f"{type(e).__name__}: {e}".splitlines():
            print("#", line, flush=True)
shutil.rmtree(root, ignore_errors=True)
sys.exit(1 if failed else 0)
