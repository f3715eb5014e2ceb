"""The command `stepwell` does what docs/cli.md says, asked of a real program and of its folder: lists, single runs,
what is done to runs, copies, damage; and no text of a run reaches a terminal as it is.

Usage: cli.py STEPWELL TOLD LETTER [WORDS-OF-A-CASE...]. Reports TAP."""
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from asked import (HIDDEN, HOSTILE, TOKEN, WAIT_S, Program, case, cases, cli, expect, is_harmless, letter, project,
                   read, root, stepwell, told, wait_for)


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
        assert re.search(r"^\S+ m?s +fail +failed +1 .* paper +", p.run("runs", "show", failed), re.M)
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


@case("a run names its forks, also in its folder")
def forks():
    def check(env, *where):
        shown = expect(0, "runs", "show", run, *where, env=env)[0]
        assert re.findall(r"([0-9A-Z]{26}) succeeded$", shown, re.M) == made[::-1], shown
        older = expect(0, "runs", "show", run, "--before", made[1], *where, env=env)[0]
        assert re.findall(r"^forks +([0-9A-Z]{26}) succeeded$", older, re.M) == made[:1], older
        document = json.loads(expect(0, "runs", "show", run, "--json", *where, env=env)[0])
        assert [fork["runId"] for fork in document["forks"]] == made[::-1], document

    with Program("forks") as p:
        run, other = p.ask("/work?customer=c"), p.ask("/work?customer=d")
        made = [json.loads(p.run("runs", "fork", run, "--json"))["runId"] for _ in range(3)]
        for fork in made:
            p.until(fork, "succeeded")
        assert "forks" not in p.run("runs", "show", other)
        check(p.env)
        assert "400" in expect(1, "runs", "show", run, "--before", "no", env=p.env)[1]
    check({}, "--data", p.data)
    assert "--before" in expect(2, "runs", "show", run, "--before", "no", "--data", p.data)[1]


@case("a run's children are listed in pages, also in its folder")
def children():
    def check(env, *where):
        lines = [json.loads(line) for line in ask(env, "--limit", "900", "--json", *where).splitlines()]
        ids = [line["runId"] for line in lines]
        assert len(ids) == 601 and ids == sorted(set(ids), reverse=True), ids
        assert {line["calledBy"] for line in lines} == {caller}
        late = [line for line in lines if line.get("detached")]
        assert [line["error"] for line in late] == ["there is nothing to pack"], late
        shown = ask(env, *where).splitlines()
        assert [row.split()[0] for row in shown[1:]] == ids[:50], shown
        assert len([row for row in ask(env, "--limit", "1000", *where).splitlines() if "failed, detached" in row]) == 1
        rest = ask(env, "--before", ids[598], *where).splitlines()
        assert [row.split()[0] for row in rest[1:]] == ids[599:], rest
        unread = 1 if env else 2  # the server refuses, or the command
        for words, end in ((("0" * 26,), 1), (("nothing",), unread), ((caller, "--before", "no"), unread),
                           ((caller, "--limit", "0"), 2)):
            expect(end, "runs", "children", *words, *where, env=env)

    def ask(env, *words):
        return expect(0, "runs", "children", caller, *words, env=env)[0]

    with Program("children") as p:
        caller = p.run("functions", "start", "call", "600").strip()
        p.until(caller, "succeeded")
        wait_for(lambda: "failed, detached" in p.run("runs", "children", caller, "--limit", "601"))
        called = re.compile(r"orders/pack, run [0-9A-Z]{26}")
        assert len(called.findall(p.run("runs", "show", caller))) == 601
        assert not p.run("runs", "children", p.ask("/work"), "--json")
        check(p.env)
    check({}, "--data", p.data)
    assert len(called.findall(expect(0, "runs", "show", caller, "--data", p.data)[0])) == 601


@case("no text of a run reaches the terminal as it is")
def hostile():
    with Program("hostile") as p:
        failed = p.ask("/fail", HOSTILE)
        works = p.ask("/work?customer=%E2%80%AEx")
        hidden = p.ask("/fail", HIDDEN.encode())
        assert json.loads(p.run("runs", "show", hidden, "--json"))["error"] == HIDDEN
        for args in (["runs", "list"], ["runs", "show", failed], ["runs", "list", "--json"], ["runs", "show", works],
                     ["runs", "show", failed, "--json"], ["journal", "dump", failed], ["runs", "show", hidden],
                     ["runs", "show", hidden, "--json"], ["runs", "export", hidden], ["journal", "dump", hidden]):
            is_harmless(p.run(*args))
        assert len(p.run("runs", "list").splitlines()) == 4
        shown = p.run("runs", "show", failed)
        assert "\\x1b[31m\\r\\n\\x07\\u{202e}evil\\u{2066} \\x9b2J \\x7f tab\\t" in shown, shown
        assert "c:\\u{202e}" not in shown
        out, err = expect(1, "runs", "cancel", "\x1b[31m", env=p.env)
        assert "404" in err and not out
    offline = ["--data", "hostile"]
    for args in (["runs", "list"], ["runs", "show", failed], ["runs", "list", "--json"], ["journal", "verify"],
                 ["journal", "dump"]):
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
        assert p.run("runs", "signal", c, "go on", '{"by":"ann"}') == f"{c}: has the signal\n"
        assert p.run("runs", "signal", c, "go on") == f"{c}: has the signal\n"
        assert json.loads(p.run("runs", "show", c, "--json"))["signalsKept"] == 2
        assert "400" in expect(1, "runs", "signal", c, "go on", "no JSON", env=p.env)[1]
        assert "409" in expect(1, "runs", "signal", works, "go on", env=p.env)[1]
        out = p.run("runs", "resume", a, "--timeout-ms", "60000")
        assert out == f"{a}: goes on\n", out
        assert p.state(a) in ("running", "sleeping"), p.run("runs", "show", a)
        assert "409" in expect(1, "runs", "resume", works, env=p.env)[1]
        failed = p.ask("/fail", b"again")
        for _ in range(2):
            p.run("runs", "resume", failed)
            p.until(failed, "failed")
    assert expect(0, "journal", "verify", "--data", "steering")[0].endswith(" 0 damaged\n")  # resumed runs are sound
    assert json.loads(expect(0, "journal", "verify", "--data", "steering", "--json")[0])["damaged"] == 0


@case("what becomes of a run is followed to its end")
def tail():
    with Program("tail") as p:
        run = p.ask("/sleep?ms=1500", prefer=True)
        lines = p.run("runs", "tail", run).splitlines()
        assert run in lines[-1] and "succeeded" in lines[-1], lines
        assert p.run("runs", "tail", run.lower()) == f"{run} succeeded\n"
        assert "404" in expect(1, "runs", "tail", "0" * 26, env=p.env)[1]
        env = {**os.environ, **p.env}
        watch = subprocess.Popen([stepwell, "runs", "tail", "--json"], stdout=subprocess.PIPE, env=env)
        failed = []

        def is_told():  # of the first run that fails when the feed is open
            failed.append(p.ask("/fail", HOSTILE))
            return select.select([watch.stdout], [], [], 0)[0]

        try:
            wait_for(is_told)
            line = watch.stdout.readline().decode()
        finally:
            watch.kill()
            watch.communicate()
        is_harmless(line)
        assert json.loads(line)["runId"] in failed, line


@case("a run is followed over the end of the server that was asked")
def tail_goes_on():
    socket = ["--admin-listen", f"{root}/again.sock"]
    with Program("again", *socket) as p:
        run = p.ask("/sleep", prefer=True)
        p.until(run, "sleeping")
        tails = [subprocess.Popen([stepwell, "runs", "tail", run, *more], env={**os.environ, **p.env}, cwd=root,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for more in ([], ["--json"])]

        def are_told():  # their feeds are open
            p.run("runs", "stop", run)
            p.until(run, "stopped")
            p.run("runs", "release", run)
            p.until(run, "sleeping")
            return len(select.select([tail.stdout for tail in tails], [], [], 0)[0]) == len(tails)

        wait_for(are_told)
    assert all(tail.poll() is None for tail in tails), "the run goes on, and the command has ended"
    with Program("again", *socket) as p:
        p.run("runs", "cancel", run)
        p.until(run, "cancelled")
        for tail, form in zip(tails, (str, json.loads)):
            out, err = tail.communicate(timeout=WAIT_S)
            assert tail.returncode == 0, err
            lines = [form(line) for line in out.decode().splitlines()]
            assert run in str(lines[-1]) and "cancelled" in str(lines[-1]), lines


def at_terminal(words, answer, env, meanwhile=None):
    """Runs the command at a terminal, and gives an answer when it asks. Returns how it ended, and what was said."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen([stepwell, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=root,
                            env={**os.environ, **env})
    os.close(theirs)
    said = b""
    while True:
        assert select.select([ours], [], [], WAIT_S)[0], f"neither an end nor a question: {said}"
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
        if b"[y/N] " in said and answer:
            if meanwhile:
                meanwhile()
            os.write(ours, answer)
            answer = None
    os.close(ours)
    return done.wait(WAIT_S), said.decode()


@case("many runs are cancelled by one command, which asks before, and says which run does it")
def bulk():
    with Program("bulk") as p:
        runs = [p.ask("/sleep", prefer=True) for _ in range(3)]
        for run in runs:
            p.until(run, "sleeping")
        p.ask("/work")
        words = ["bulk", "cancel", "--endpoint", "GET /sleep"]
        assert p.run(*words, "--dry-run") == "3 runs\n"
        assert json.loads(p.run(*words, "--dry-run", "--json"))["matches"] == 3
        expect(2, *words, env=p.env)  # nobody is there to ask
        end, said = at_terminal(words, b"N\n", p.env)
        assert end == 1 and "cancel 3 runs? [y/N]" in said and "nothing was done" in said, (end, said)
        assert [p.state(run) for run in runs] == ["sleeping"] * 3
        assert "--text" in expect(2, *words, "--text", "why", env=p.env)[1]
        p.run("bulk", "stop", "--endpoint", "GET /sleep", "--text", 'for "the night"', "--yes")
        assert json.loads(p.run("runs", "show", runs[0], "--json"))["detail"] == 'for "the night"'
        p.run("bulk", "release", "--yes", "--per-second", "1000", "--max", "3")
        for run in runs:
            p.until(run, "sleeping")
        late = []

        def one_more():  # begins while somebody makes up their mind
            time.sleep(0.1)
            late.append(p.ask("/sleep", prefer=True))

        end, said = at_terminal(words, b"y\n", p.env, one_more)
        assert p.state(late[0]) in ("running", "sleeping"), said
        by = re.search(r"run (\w{26}) of the server does this", said)
        assert end == 0 and by and f"{by[1]} succeeded" in said and "3 done, 0 pending, 0 skipped" in said, (end, said)
        assert [p.state(run) for run in runs] == ["cancelled"] * 3
        last = json.loads(p.run("bulk", "cancel", "--json", "--yes"))
        assert last["state"] == "succeeded" and sum(last["status"]["skipped"].values()) > 3, last


@case("the token's file may be a pipe, which is read once")
def token_pipe():
    with Program("pipe") as p:
        more = {"env": {"STEPWELL_ADMIN_URL": p.admin}, "stdin": (TOKEN + "\n").encode()}
        for words in (["bulk", "cancel", "--yes"], ["runs", "list"], ["runs", "tail", p.ask("/work")]):
            expect(0, *words, "--token-file", "/dev/stdin", **more)


@case("the figures that the command and the console ask for are those that there are")
def figures():
    with Program("figures") as p:
        p.ask("/work")
        q = urllib.request.Request(p.admin + "/_sw/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(q, timeout=WAIT_S) as answer:
            page = answer.read().decode()
    there = set(re.findall(r"^# TYPE (\w+) ", page, re.M))
    for folder, end in (("cli", ".c"), ("console", ".js")):
        for name in os.listdir(os.path.join(project, folder)):
            text = read(f"{folder}/{name}") if name.endswith(end) else ""
            asked = re.findall(r"[\"'`]((?:stepwell|process)_[a-z_]+[a-z])[\"'`]", text)
            assert not set(asked) - there, f"{folder}/{name} asks for {set(asked) - there}"


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


@case("what a run asks is shown and answered, and so are signals that it has sent")
def questions():
    def shows(run, pattern):
        wait_for(lambda: re.search(pattern, p.run("runs", "show", run), re.M))

    with Program("questions") as p:
        run = p.run("functions", "start", "ask", json.dumps("May \u202eit go\x1b[2J?")).strip()
        shows(run, r"^[0-9a-f]{16} +why / so +open +JSON$")
        shown = p.run("runs", "show", run)
        is_harmless(shown)
        may, why = re.findall(r"^([0-9a-f]{16}) +(?:may|why / so) +open", shown, re.M)
        assert re.search(r"^" + may + r" +may +open +yes, no +May .*it go", shown, re.M), shown
        for answer in (["yes"], ["{}"]):  # which of the two?
            out, err = expect(2, "runs", "answer", run, *answer, env=p.env)
            assert "--question" in err and may in out and why in out, (out, err)
        assert "yes, no" in expect(2, "runs", "answer", run, "perhaps", "--question", may, env=p.env)[1]
        for path in ("may", may[1:], may.upper() if may.upper() != may else "g" * 16):
            expect(2, "runs", "answer", run, "yes", "--question", path, env=p.env)
        assert "no question" in expect(1, "runs", "answer", run, "yes", "--question", "0" * 15 + "1", env=p.env)[1]
        assert p.run("runs", "answer", run, "yes", "--question", may) == f"{run}: has the answer\n"
        shows(run, r"^" + may + r" +may +answered +yes ")
        assert p.run("runs", "answer", run, "yes", "--question", may) == f"{run}: has this answer already\n"
        out, err = expect(1, "runs", "answer", run, "no", "--question", may, env=p.env)
        assert "was answered before: yes" in err and not out, (out, err)
        assert "400" in expect(1, "runs", "answer", run, "no JSON", env=p.env)[1]  # the only one that is open
        assert json.loads(p.run("runs", "answer", run, "[1]", "--json"))["decision"] == [1]
        p.until(run, "succeeded")
        assert "no question that is open" in expect(1, "runs", "answer", run, "[1]", env=p.env)[1]
        expect(1, "runs", "answer", "0" * 26, "yes", env=p.env)
        other = p.run("functions", "start", "ask", '"again?"').strip()
        tells = p.run("functions", "start", "tell", json.dumps(other)).strip()
        late = p.run("functions", "start", "tell", json.dumps(run)).strip()
        shows(tells, r"^\S+ m?s +tell +done .* why / so to " + other + "$")
        shows(late, r" why / so to " + run + ", which is not there$")
    expect(2, "runs", "answer", run, "yes", "--data", p.data)
    assert re.search(r"^" + may + r" +may +answered +yes ", expect(0, "runs", "show", run, "--data", p.data)[0], re.M)


@case("functions are listed and started, once for a key")
def functions():
    with Program("functions") as p:
        run = p.run("functions", "start", "orders/pack", '{"item": "lamp\\u202e"}').strip()
        p.until(run, "succeeded")
        shown = p.run("runs", "show", run)
        is_harmless(shown)
        assert re.search(r"^endpoint +orders/pack$", shown, re.M) and re.search(r"^input .*lamp", shown, re.M), shown
        wait_for(lambda: re.search(r"^orders/pack +0 +0 +1 +0 +0$", p.run("functions"), re.M))
        assert all(json.loads(line)["kind"] == "function" for line in p.run("functions", "--json").splitlines())
        keyed = [p.run("functions", "start", "orders/pack", "--key", "seven", "[7]").strip() for _ in range(3)]
        assert len(set(keyed)) == 1 and keyed[0] != run
        expect(1, "functions", "start", "orders/pack", "--key", "seven", "[8]", env=p.env)
        expect(1, "functions", "start", "orders/none", env=p.env)
        p.until(p.run("functions", "start", "orders/pack").strip(), "failed")  # nil has no item
        expect(2, "functions", "start", "orders/pack", "{", env=p.env)
        for key in ("a\nX-Evil: 1", "", " "):
            expect(2, "functions", "start", "orders/pack", "--key", key, env=p.env)
        for name in ("../runs", "../functions/orders/pack", "orders/../orders/pack", ".", "", "a//b", "a?b", "a%2Fb"):
            expect(2, "functions", "start", name, "[9]", env=p.env)
    expect(2, "functions", "list", "--data", p.data)
    assert re.search(r"^input .*lamp", expect(0, "runs", "show", run, "--data", p.data)[0], re.M)


@case("schedules are listed, paused, resumed, triggered and forgotten, and a restored folder has them paused")
def schedules():
    with Program("scheduled") as p:
        listed = p.run("schedules", "list")
        assert re.search(r"^orders/pack +0 0 29 2 \* +UTC +skip +\d{4}-02-29 00:00:00$", listed, re.M), listed
        p.run("schedules", "pause", "orders/pack")
        assert re.search(r"^orders/pack .* paused ", p.run("schedules", "list"), re.M)
        assert json.loads(p.run("schedules", "list", "--json"))["paused"] is True
        p.run("schedules", "resume", "orders/pack")
        assert " paused " not in p.run("schedules", "list")
        p.until(p.run("schedules", "trigger", "orders/pack").strip(), "succeeded")
        p.run("schedules", "forget", "orders/pack")
        assert json.loads(p.run("schedules", "list", "--json"))["paused"] is False
        for verb in ("pause", "resume", "trigger", "forget"):
            expect(1, "schedules", verb, "orders/none", env=p.env)
            expect(2, "schedules", verb, "../runs", env=p.env)
        wait_for(lambda: "lastPoint" not in p.run("schedules", "list", "--json"))
    expect(2, "schedules", "list", "--data", "scheduled")
    assert "1 schedules paused" in expect(0, "restore", "scheduled", "scheduled-again")[0]
    with Program("scheduled-again") as p:
        shown = json.loads(p.run("schedules", "list", "--json"))
        assert shown["paused"] and shown["by"] == "restore", shown
        p.run("schedules", "resume", "orders/pack")


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


def check_filters(rows, data):
    """What is asked of a folder means what it means to a server: rows are its runs, the newest first."""

    def ids(*filter):
        out = expect(0, "runs", "list", "--json", *filter, *data)[0]
        return [json.loads(line)["runId"] for line in out.splitlines()]

    for i, row in enumerate(rows):
        ms = int.from_bytes(id_bytes(row["runId"])[:6], "big")
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000))
        east = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000 + 5400))
        for text in (str(ms), f"{seconds}.{ms % 1000:03}Z", f"{east}.{ms % 1000:03}+01:30"):
            assert row["runId"] in ids("--from", text) and row["runId"] in ids("--to", text), (text, row)
        assert row["runId"] not in ids("--from", str(ms + 1)) + ids("--to", str(ms - 1)), row
        assert ids("--before", row["runId"]) == [r["runId"] for r in rows[i + 1:]]
        assert ids("--state", row["state"] + ",unreadable") == [r["runId"] for r in rows if r["state"] == row["state"]]
    for filter in (["--from", "yesterday"], ["--to", "2026-11-27"], ["--state", "faild"], ["--state", ""],
                   ["--label", "x"], ["--before", "x"], ["--id", "!"]):
        out, err = expect(2, "runs", "list", *filter, *data)
        assert not out and err.startswith('stepwell: "'), err


def id_bytes(text):
    """Of a run id's text: base 32 of Crockford."""
    number = 0
    for digit in text.upper():
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(digit)
    return number.to_bytes(17, "big")[-16:]


@case("a folder in use is left alone; one that is not is read and not changed")
def offline():
    data = ["--data", "offline"]
    with Program("offline") as p:
        works, asleep = p.ask("/work?customer=ann"), p.ask("/sleep", prefer=True)
        failed = p.ask("/fail", b"broken")
        p.until(asleep, "sleeping")
        for args in (["runs", "list"], ["runs", "show", works], ["journal", "verify"], ["backup", "copied"], ["stats"],
                     ["journal", "dump"]):
            err = expect(3, *args, *data)[1]
            assert f"process {p.process.pid} works with" in err and "--url" in err, err
        assert f"process {p.process.pid} works with" in expect(3, "restore", "offline", "copied")[1]
        assert not [name for name in os.listdir(root) if name.startswith("copied")]
        p.process.kill()
        p.process.wait(WAIT_S)
    before = fingerprint(f"{root}/offline")
    rows = [json.loads(line) for line in expect(0, "runs", "list", "--json", *data)[0].splitlines()]
    assert [row["runId"] for row in rows] == [failed, asleep, works], rows
    assert rows[2]["labels"] == {"customer": "ann"} and rows[1]["state"] == "sleeping", rows
    for filter, ids in ((["--state", "failed"], [failed]), (["--label", "customer:ann"], [works]),
                        (["--endpoint", "GET /sleep"], [asleep]), (["--error", "BROKEN"], [failed]),
                        (["--step", "fail", "--kind", "broken"], [failed]), (["--step", ""], []), (["--kind", "x"], []),
                        (["--id", works[:26]], [works]), (["--before", failed], [asleep, works]),
                        (["--from", "2100-01-01T00:00:00Z"], []), (["--to", "4102444800000"], [failed, asleep, works])):
        out = expect(0, "runs", "list", "--json", *filter, *data)[0]
        assert [json.loads(line)["runId"] for line in out.splitlines()] == ids, (filter, out)
    check_filters(rows, data)
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


@case("what is cut short while it copies is no copy, and does not hinder the next one")
def cut_short():
    with Program("whole") as p:
        p.ask("/work")
    for words in (["backup", "cut", "--data", "whole"], ["restore", "whole", "cut"]):
        for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            os.mkfifo(f"{root}/whole/journal/zz")  # a file that takes as long to read as we like
            with subprocess.Popen([stepwell, *words], cwd=root, stderr=subprocess.PIPE) as copying:
                wait_for(lambda: [n for n in os.listdir(root) if n.startswith("cut.partial-")
                                  and os.path.exists(f"{root}/{n}/journal/zz") is False
                                  and os.path.exists(f"{root}/{n}/journal")])
                assert not os.path.exists(f"{root}/cut")
                while copying.poll() is None:  # one that comes just before the file is opened breaks nothing off
                    copying.send_signal(signal_number)
                    time.sleep(0.02)
                copying.communicate(timeout=WAIT_S)
                assert copying.returncode == (-signal.SIGKILL if signal_number == signal.SIGKILL else 1)
            os.unlink(f"{root}/whole/journal/zz")
            left = [name for name in os.listdir(root) if name.startswith("cut")]
            assert bool(left) == (signal_number == signal.SIGKILL) and "cut" not in left, left
        expect(0, *words)
        assert expect(0, "journal", "verify", "--data", "cut")[0].endswith(" 0 damaged\n")
        for name in [name for name in os.listdir(root) if name.startswith("cut")]:
            shutil.rmtree(f"{root}/{name}")


def one(journal, prefix):
    return next(f"{journal}/{name}" for name in os.listdir(journal) if name.startswith(prefix))


def logs_of(journal):
    return [f"{journal}/{name}" for name in os.listdir(journal) if name.endswith(".log")]


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
    for name, spoil, says in (
        ("cut", lambda j: os.truncate(one(j, "MANIFEST-"), os.path.getsize(one(j, "MANIFEST-")) - 10), "MANIFEST-"),
        ("gone", lambda j: os.remove(max(logs_of(j), key=os.path.getsize)), ".log is missing"),
        ("empty", shutil.rmtree, "no journal"),
    ):
        shutil.copytree(f"{root}/damaged", f"{root}/damaged-{name}")
        spoil(f"{root}/damaged-{name}/journal")
        for command in (["journal", "verify"], ["runs", "list"]):
            out, err = expect(1, *command, "--data", f"damaged-{name}")
            assert says in err and not out, (name, out, err)
        assert says in expect(1, "restore", f"damaged-{name}", "never")[1]
    journal = f"{root}/damaged/journal"
    log = max(logs_of(journal), key=os.path.getsize)
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
    out, err = expect(4, "journal", "dump", "--data", "backups/values")
    assert f"between {runs[0]} and {runs[2]} values cannot be read" in err, err
    assert {json.loads(line)["runId"] for line in out.splitlines()} == {runs[0], runs[2]}, out
    assert json.loads(expect(0, "stats", "--json", "--data", "backups/values")[0])["gaps"] == 1
    assert "! 1 places where runs cannot be read" in expect(4, "doctor", "--data", "backups/values")[0]
    assert "cannot be read" in expect(1, "runs", "show", runs[1], "--data", "backups/values")[1]
    assert len(expect(0, "runs", "list", "--json", "--data", "backups/values")[0].splitlines()) == 2


@case("of a journal that is damaged in its middle the part before is shown and dumped, and the damage is named")
def damaged_later():
    with Program("later") as p:
        run = p.ask("/repeat", b"1" * 30000)
        p.run("backup", "later")
    data = ["--data", "backups/later"]
    journal = f"{root}/backups/later/journal"
    whole = expect(0, "journal", "dump", run, *data)[0].splitlines()
    blobs = sorted((name for name in os.listdir(journal) if name.endswith(".blob")), reverse=True)
    for name in blobs:  # the last one alone: on a slow disk the request may be in one of its own
        with open(f"{journal}/{name}", "r+b") as file:
            at = file.read().rfind(b"1" * 1000)
            if at >= 0:
                file.seek(at + 500)
                file.write(b"?")
                break
    out, err = expect(4, "journal", "dump", run, *data)
    lines = out.splitlines()
    assert 0 < len(lines) < len(whole) and lines == whole[:len(lines)] and run in err, (out[:500], err)
    for words in (["journal", "dump"], ["journal", "verify"]):
        assert "cannot be read" in "".join(expect(4, *words, *data)), words
    assert re.search(r"^damage +\S", expect(0, "runs", "show", run, *data)[0], re.M)


@case("a backup is made and restored, and its live runs stand until they are released")
def restore():
    with Program("first") as p:
        works = p.ask("/work")
        for ms in (1500, 15000, 150000):  # it must not be over when the copy is made
            shutil.rmtree(f"{root}/backups/monday", ignore_errors=True)
            asleep = p.ask(f"/sleep?ms={ms}", prefer=True)
            assert re.match(r"monday: .* in .*, in the server's --backup-dir", p.run("backup", "monday"))
            if p.state(asleep) != "succeeded":
                break
        assert "409" in expect(1, "backup", "monday", env=p.env)[1]
        assert "400" in expect(1, "backup", "../x", env=p.env)[1]
        p.until(asleep, "succeeded")
    os.makedirs(f"{root}/second")
    said = expect(0, "restore", "backups/monday", "second/")[0]
    assert "1 runs stopped" in said, said
    assert "how its last process ended is not noted" in cli("doctor", "--data", "backups/monday")[1]
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


@case("a release that was on its way when the backup was made releases nothing in the restored folder")
def letters():
    with Program("sent") as p:
        runs = [p.ask("/sleep", prefer=True) for _ in range(3)]
        for run in runs:
            p.until(run, "sleeping")
        p.run("runs", "stop", runs[0])
        p.until(runs[0], "stopped")
        p.run("backup", "sent")
    release, cancel = "2", "1"
    for run, kind in ((runs[0], release), (runs[1], release), (runs[2], cancel)):
        subprocess.run([letter, f"{root}/backups/sent", run, kind], check=True)
    assert "2 runs stopped, 1 were before" in expect(0, "restore", "backups/sent", "received")[0]
    with Program("received") as p:
        p.until(runs[2], "cancelled")  # so the letters have been read
        assert [p.state(run) for run in runs] == ["stopped", "stopped", "cancelled"]


@case("values as deep as there can be are shown, dumped and listed")
def deep():
    said = {}
    with Program("deep") as p:
        before = p.ask("/work")
        for depth in (1, 120, 126, 127):
            body = "[" * depth + "]" * depth
            said[p.ask("/say", body.encode())] = body
        for run, body in said.items():
            for args in (["runs", "show", run, "--json"], ["runs", "export", run], ["journal", "dump", run]):
                assert body in p.run(*args), args
        assert len(p.run("runs", "list", "--json").splitlines()) == len(said) + 1
    data = ["--data", "deep"]
    for run, body in said.items():
        for args in (["runs", "show", run, "--json"], ["runs", "export", run], ["journal", "dump", run]):
            assert body in expect(0, *args, *data)[0], args
    assert len(expect(0, "runs", "list", "--json", *data)[0].splitlines()) == len(said) + 1
    out = expect(0, "journal", "dump", *data)[0]
    assert set(re.findall(r'^{"runId":"(\w+)",', out, re.M)) == {before, *said}


@case("a program is checked against the runs of a folder, by itself")
def checked():
    with Program("checked") as p:
        p.ask("/work")
        p.ask("/fail", b"no")
        p.until(p.ask("/sleep", prefer=True), "sleeping")
    data = ["--data", "checked"]
    assert "1 live and 2 ended runs: 3 ok" in expect(0, "check", told, *data)[0]
    lines = [json.loads(line) for line in expect(0, "check", told, "--json", "--limit", "1", *data)[0].splitlines()]
    assert [line.get("verdict") for line in lines].count("ok") == 2, lines
    assert expect(2, "check", told, "--data", "nowhere")[1]
    assert "--data DIR" in expect(2, "check", told)[1]
    assert "stepwell check PROGRAM" in expect(2, "check", *data)[1]
    assert "./no-such: No such file" in expect(2, "check", "./no-such", *data)[1]
    with open(f"{root}/differs", "w", encoding="ascii") as file:
        file.write('#!/bin/sh\necho "$@"\nexit 1\n')
    os.chmod(f"{root}/differs", 0o700)
    assert expect(1, "check", "./differs", "--limit=7", *data)[0] == "--check checked --check-ended=7\n"


@case("completion knows the commands that there are")
def completion():
    script = os.path.join(project, "cli/completion.bash")

    def complete(*words):
        line = " ".join(f"'{w}'" for w in ("stepwell", *words))
        ask = f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _stepwell; "
        say = ask + "printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", say], capture_output=True, text=True, check=True, cwd=root)
        return done.stdout.split()

    helped = expect(0, "--help")[0]
    commands = [m.split() for m in re.findall(r"^  stepwell (\w+(?: [a-z]+)?)", helped, re.M)]
    assert {c[0] for c in commands} == {w for w in complete("") if not w.startswith("-")}
    for noun in ("runs", "functions", "schedules", "settings", "journal"):
        verbs = {c[1] for c in commands if c[0] == noun and len(c) > 1}
        assert verbs and verbs == {w for w in complete(noun, "") if not w.startswith("-")}, noun
    for noun, verb in (c for c in commands if len(c) > 1):
        options = set(re.findall(r"--[a-z-]+", expect(0, noun, verb, "--help")[0]))
        assert options == {w for w in complete(noun, verb, "-") if w.startswith("-")}, (noun, verb)
    assert complete("runs", "list", "--state", "fa") == ["failed"]
    assert complete("runs", "list", "--state", "unr") == ["unreadable"]
    assert "tail" in complete("--url", "http://x", "runs", "t")
    assert "--limit" in complete("--data", "x", "runs", "--json", "list", "--lim")
    options = {f"--{m}" for m in re.findall(r'\{"([a-z-]+)", "', read("cli/cli.c"))}
    for option in options:  # those that take a value
        assert complete("runs", option, "stats", "t") == ["tail"], option


chosen = sys.argv[4:]
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
