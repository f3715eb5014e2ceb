"""--prove finds nothing in a program that survives crashes, and the mistakes in three programs that do not survive
them.

Usage: prove.py FOLDER, where the programs are. Reports TAP."""
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

folder = sys.argv[1]
tests = []


def test(function):
    tests.append(function)
    return function


class Upstream(http.server.BaseHTTPRequestHandler):
    """Counts what it is asked for. /flaky is overloaded at the first time."""

    protocol_version = "HTTP/1.1"
    asked = []
    flaky_at = []  # when, s

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        Upstream.asked.append((self.command, self.path.split("?")[0]))
        if self.path == "/flaky":
            Upstream.flaky_at.append(time.monotonic())
        first = Upstream.asked.count(("POST", "/flaky")) == 1
        status = 503 if self.path == "/flaky" and first else 200
        if self.path == "/hang":
            time.sleep(2)
        texts = {"/bytes": b"\xff\x00\xfe", "/large": b"x" * 3000000, "/events": b"data: 1\n\ndata: 2\n\ndata: 3\n\n"}
        text = (
            texts[self.path]
            if self.path in texts
            else json.dumps({"count": len(Upstream.asked), "bytes": len(body)}).encode()
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Set-Cookie", "session=secret")
        self.send_header("Retry-After", "1")
        self.end_headers()
        try:
            self.wfile.write(text)
        except OSError:
            pass  # who asked has gone

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


def prove(program, request, *flags, upstream=None):
    """(exit code, lines of the page, standard error)"""
    at = ["--upstream", upstream] if upstream else []
    run = subprocess.run(
        [f"{folder}/prove_{program}", "--prove", request, *at, *flags],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    return run.returncode, run.stdout.splitlines(), run.stderr


def line_of(program, text):
    """Where the program's source has this."""
    source = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"prove_{program}.c"), encoding="utf-8")
    return f"prove_{program}.c:" + str(next(n for n, line in enumerate(source, 1) if text in line))


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r}, not {wanted!r}")


def all_good(line):
    """Entries and crash points of a page that has found nothing."""
    found = re.fullmatch(
        r"(\d+) entries(?: of \d+ runs)?, (\d+) crash points: same answer (\d+), no finished step ran twice (\d+)", line
    )
    if not found or len({found[2], found[3], found[4]}) != 1:
        raise AssertionError(f"got {line!r}")
    return int(found[1]), int(found[2])


ORDER = ("-d", '{"item":"lamp"}', "-H", "X-Tenant: 7")


@test
def nothing_is_found_where_nothing_is_wrong(upstream, temp):
    code, page, _ = prove("good", "POST /orders?express=1", *ORDER, upstream=upstream)
    entries, points = all_good(page[0])
    same(
        page[1:],
        [
            "charge    ok: .sync, key sent",
            "mail      ok: key sent, not .sync",
            "note      ok: PUT of the same content may be repeated",
            "ship      ok: key sent, not .sync",
        ],
    )
    same(code, 0)
    same((entries, points), (20, 27))


@test
def only_the_first_execution_calls(upstream, temp):
    same(
        sorted(Upstream.asked),
        sorted(
            [
                ("GET", "/stock/lamp"),
                ("GET", "/stock/box"),
                ("POST", "/charge"),
                ("POST", "/mail"),
                ("PUT", "/notes/1"),
                ("POST", "/flaky"),
                ("POST", "/flaky"),
            ]
        ),
    )


@test
def services_that_are_overloaded_get_their_time(upstream, temp):
    first, second = Upstream.flaky_at
    if second - first < 1:
        raise AssertionError(f"asked again after {second - first} s")


@test
def a_recording_stands_for_the_services(upstream, temp):
    file = temp + "/calls.jsonl"
    code, page, _ = prove("good", "POST /orders", *ORDER, "--record", file, upstream=upstream)
    same(code, 0)
    asked = len(Upstream.asked)
    again, replayed, _ = prove("good", "POST /orders", *ORDER, "--replay", file, upstream=upstream)
    same((again, replayed), (code, page))
    same(len(Upstream.asked), asked)
    text = open(file, encoding="utf-8").read()
    same([word for word in ("Bearer", "session=") if word in text], [])
    lines = [json.loads(line) for line in text.splitlines()]
    same(lines[0], {"stepwellRecording": 1, "request": "POST /orders"})
    same(
        [
            (c["step"], c["branch"], c["attempt"], c["call"], c["method"], c["status"])
            for c in lines[1:]
            if c["step"] in ("ship", "box")
        ],
        [("box", "pack", 1, 1, "GET", 200), ("ship", "", 1, 1, "POST", 200)],
    )


@test
def a_call_that_is_not_in_the_recording_is_named(upstream, temp):
    file = temp + "/less.jsonl"
    prove("good", "POST /orders", *ORDER, "--record", file, upstream=upstream)
    with open(file, encoding="utf-8") as old:
        kept = [line for line in old if '"/mail"' not in line and '/mail"' not in line]
    with open(file, "w", encoding="utf-8") as new:
        new.writelines(kept)
    code, page, _ = prove("good", "POST /orders", *ORDER, "--replay", file, upstream=upstream)
    same(code, 1)
    same(
        [line for line in page if "recording" in line],
        [
            f"handler   the run fails with 500: POST {upstream}/mail is not in the recording",
            f"mail      in the first run: POST {upstream}/mail is not in the recording",
        ],
    )


@test
def a_function_is_proved_by_its_name(upstream, temp):
    code, page, said = prove("good", "orders/deliver", "-d", '{"item":"lamp"}', upstream=upstream)
    all_good(page[0] if page else said)
    same(page[1:], ["mail      ok: key sent, not .sync"])
    same(code, 0)
    code, page, _ = prove("clock", "hourly", "-d", "{}")
    same(code, 1)
    said = [line for line in page if line.startswith("handler   differs at crash 1: the input of step")]
    if not said or "time()" not in said[0]:
        raise AssertionError(page)


@test
def the_clock_and_random_numbers_are_named(upstream, temp):
    code, page, _ = prove("clock", "POST /orders")
    same(
        page,
        [
            "4 entries, 4 crash points: same answer 0, no finished step ran twice 4",
            'handler   differs at crash 1: the input of step "save" (.at); the clock is read with time(), not sw_now()'
            f"   ({line_of('clock', 'time(NULL);')})",
            "crash 1: behind entry 1, the start",
        ],
    )
    same(code, 1)
    code, page, _ = prove("clock", "POST /lottery")
    same(
        page[1:],
        [
            'draw      differs at crash 1: the input of step "keep" (.lot); random numbers come from rand(), not '
            'sw_random()'
            f"   ({line_of('clock', 'rand()')})",
            "crash 1: behind entry 1, the start",
        ],
    )
    same(code, 1)


@test
def a_line_that_reads_the_clock_twice_is_named_once(upstream, temp):
    code, page, _ = prove("clock", "POST /twice")
    same(
        page[1:],
        [
            'handler   differs at crash 1: the input of step "save"; the clock is read with time(), not sw_now()'
            f"   ({line_of('clock', 'time(NULL) + ')})",
            "crash 1: behind entry 1, the start",
        ],
    )
    same(code, 1)


@test
def a_run_that_stops_for_its_difference_is_told(upstream, temp):
    code, page, _ = prove("clock", "POST /strict")
    same(code, 1)
    same(page[1].split(";")[0], 'handler   differs at crash 1: the input of step "save" (.at)')
    same(
        page[2],
        'handler   at crash 2: the run is stopped: step "save" is given another input than when the journal\'s result '
        'was made (version "" of the endpoint)',
    )


@test
def a_clock_that_changes_nothing_is_no_fault(upstream, temp):
    code, page, _ = prove("clock", "POST /measured")
    all_good(page[0])
    same(
        page[1:],
        [
            "handler   the clock is read with clock_gettime(), not sw_now(), and nothing came to differ"
            f"   ({line_of('clock', 'clock_gettime')})"
        ],
    )
    same(code, 0)


@test
def other_steps_are_named(upstream, temp):
    code, page, _ = prove("clock", "POST /daily")
    same(code, 1)
    same(
        re.sub(r"\d+", "N", page[1].split(" (")[0]),
        'handler   differs at crash N: it comes to step "day N", which the first run did not have; '
        "the clock is read with time(), not sw_now()  ",
    )
    same(
        [re.sub(r"day \d+", "day N", line) for line in page if line.startswith("crash")],
        [
            "crash 1: behind entry 1, the start",
            'crash 2: behind entry 2, the result of step "day N"',
            'crash 3: in attempt 1 of step "day N"',
            'crash 4: in attempt 1 of step "day N", and the run goes on in the same process, whose variables it has '
            'used',
        ],
    )


TWICE = "may be made twice if the machine dies during it"


@test
def a_missing_key_is_named(upstream, temp):
    code, page, _ = prove("key", "POST /orders", upstream=upstream)
    all_good(page[0])
    same(
        page[1:],
        [
            f"search    {TWICE}: it sends no key (sw_step_key), POST {upstream}/search",
            f"charge    {TWICE}: it sends no key (sw_step_key), POST {upstream}/charge",
            "named     ok: key sent, not .sync",
            f"drawn     {TWICE}: its Idempotency-Key is another each time (use sw_step_key), POST {upstream}/charge",
        ],
    )
    same(code, 1)


@test
def steps_may_be_declared_repeatable(upstream, temp):
    code, page, _ = prove("key", "POST /orders", "--prove-repeatable", "sea*,charge,drawn", upstream=upstream)
    same(
        [line for line in page[1:] if "repeated" in line],
        [f"{step:9} ok: may be repeated (--prove-repeatable)" for step in ("search", "charge", "drawn")],
    )
    same(code, 0)


AGAIN = "is called outside any step: it would be done again at every replay"


@test
def what_is_done_between_steps_is_named(upstream, temp):
    code, page, _ = prove("between", "POST /fetch")
    same(
        page[1:],
        [
            "handler   the run fails with 500: sw_fetch_json outside a step would be made again at every replay: call "
            "it inside sw_step",
            f"handler   sw_fetch_json() {AGAIN}   ({line_of('between', 'sw_fetch_json(')})",
        ],
    )
    same(code, 1)
    code, page, _ = prove("between", "POST /file")
    same(page[1:], [f"handler   fopen() {AGAIN}   ({line_of('between', 'fopen(')})"])
    same(code, 1)
    code, page, _ = prove("between", "POST /process")
    same(page[1:], ["handler   differs at crash 1: the answer's body (.by)", "crash 1: behind entry 1, the start"])
    same(code, 1)


@test
def variables_of_the_process_are_found(upstream, temp):
    code, page, _ = prove("between", "POST /count")
    same(
        page,
        [
            "4 entries, 4 crash points: same answer 3, no finished step ran twice 4",
            'handler   differs at crash 4: the input of step "save" (.number)',
            'crash 4: in attempt 1 of step "save", and the run goes on in the same process, whose variables it has '
            'used',
        ],
    )
    same(code, 1)


@test
def a_process_that_dies_is_told(upstream, temp):
    code, page, _ = prove("between", "POST /fault")
    same(code, 1)
    same(page[-1], "handler   in the first run: the process dies of signal 6")


@test
def points_can_be_fewer(upstream, temp):
    code, page, _ = prove("good", "POST /orders", *ORDER, "--prove-points", "5", upstream=upstream)
    same(page[0], "18 entries, 5 crash points of 24 (--prove-points): same answer 5, no finished step ran twice 5")
    same(code, 0)
    code, page, _ = prove("clock", "POST /measured", "--prove-points", "1")
    same(
        (code, page[0]),
        (0, "4 entries, 1 crash point of 4 (--prove-points): same answer 1, no finished step ran twice 1"),
    )


@test
def streams_failures_and_threads_are_replayed(upstream, temp):
    for route, entries in (("streams", 8), ("relaxed", 8), ("failures", 7), ("wait", 6), ("late", 7)):
        asked = len(Upstream.asked)
        code, page, error = prove("calls", f"GET /{route}", "--record", f"{temp}/{route}", upstream=upstream)
        same((route, all_good(page[0])[0], page[1:], code), (route, entries, [], 0))
        asked = len(Upstream.asked)
        again = prove(
            "calls", f"GET /{route}", "--replay", f"{temp}/{route}", "--record", f"{temp}/again", upstream=upstream
        )
        same(again[:2], (0, page))
        same(len(Upstream.asked), asked)
        with open(f"{temp}/{route}", encoding="utf-8") as first, open(f"{temp}/again", encoding="utf-8") as second:
            same(second.read(), first.read())


KEY_SENT = "ok: key sent, not .sync"


def asked_of(*paths):
    return [Upstream.asked.count(("POST", path)) for path in paths]


@test
def runs_that_are_called_are_followed(upstream, temp):
    before = asked_of("/pack", "/mail")
    fetched = ("--prove-signal", 'fetched={"by":7}')
    code, page, _ = prove("children", "GET /order", *fetched, "--record", f"{temp}/order", upstream=upstream)
    same((all_good(page[0]), page[0].split(",")[0]), ((43, 35), "43 entries of 7 runs"))
    same((code, page[1:]), (0, [f"pack: pack {KEY_SENT}", f"mail: mail {KEY_SENT}"]))
    same(asked_of("/pack", "/mail"), [before[0] + 2, before[1] + 2])  # by the first execution alone
    replayed = ("--replay", f"{temp}/order", "--record", f"{temp}/again")
    same(prove("children", "GET /order", *fetched, *replayed, upstream=upstream)[:2], (0, page))
    same(asked_of("/pack", "/mail"), [before[0] + 2, before[1] + 2])
    with open(f"{temp}/order", encoding="utf-8") as first, open(f"{temp}/again", encoding="utf-8") as second:
        recorded = first.read()
        keyless = [re.sub('"Idempotency-Key: [^"]*"', "", text) for text in (recorded, second.read())]
    same(keyless[1] == keyless[0], True)
    calls = [json.loads(line) for line in recorded.splitlines()[1:]]
    same((len(calls), len({call["run"] for call in calls})), (4, 4))  # equal paths, each of a run of its own
    with open(f"{temp}/bad", "w", encoding="utf-8") as file:
        file.write(recorded.replace('"run":"', '"run":"x', 1))
    code, page, error = prove("children", "GET /order", "--replay", f"{temp}/bad")
    same((code, page), (2, []))
    same(error.splitlines()[-1], f'children: --replay {temp}/bad: line 2: "run" is no hexadecimal number')


@test
def a_call_that_loses_is_cancelled_wherever_it_was(upstream, temp):
    code, page, _ = prove("children", "GET /race", upstream=upstream)
    all_good(page[0])
    same((code, page[1:]), (0, [f"pack: pack {KEY_SENT}"]))


@test
def whatever_runs_call_comes_to_the_same(upstream, temp):
    for seed in range(1, 21):
        tree = ("-d", json.dumps({"seed": seed, "depth": 2}), "--prove-points", "40")
        for signals in ((), ("--prove-signal", "nobody=1")):
            code, page, error = prove("trees", "tree", *tree, *signals)
            same((seed, code, page[1:], error.splitlines()[-1:] if code == 2 else []), (seed, 0, [], []))


@test
def signals_between_runs_are_kept(upstream, temp):
    code, page, _ = prove("children", "GET /news")
    same((page[0].split(",")[0], all_good(page[0]), page[1:], code), ("13 entries of 2 runs", (13, 11), [], 0))


@test
def runs_that_are_called_get_the_signals_too(upstream, temp):
    for request in ("call", "detach"):
        code, page, _ = prove("children", f"GET /{request}?function=listen", "--prove-signal", 'word="hello"')
        all_good(page[0])
        same((code, page[1:]), (0, []))
        code, page, error = prove("children", f"GET /{request}?function=listen")
        same((code, page), (2, []))
        same(
            error.splitlines()[-1],
            "children: a run waits for a signal, without a timeout, and nobody sends it here: give it with "
            "--prove-signal NAME=JSON",
        )


@test
def mistakes_of_runs_that_are_called_are_named(upstream, temp):
    def told(function, request="call"):
        code, page, _ = prove("children", f"GET /{request}?function={function}", upstream=upstream)
        same(code, 1)
        return page[1:]

    clock = [
        'clock     differs at crash 1: the input of step "save" (.at); the clock is read with time(), not sw_now()   '
        f"({line_of('children', 'time(NULL))));')})",
        "crash 1: behind entry 1, the start",
    ]
    same(told("clock"), clock)
    same(told("clock", "detach"), clock)
    same(
        told("count"),
        [
            'count     differs at crash 7: the input of step "save" (.number)',
            'crash 7: in attempt 1 of step "save" of count, and the run goes on in the same process, whose variables '
            "it has used",
        ],
    )
    same(told("charge"), [f"charge: charge {TWICE}: it sends no key (sw_step_key), POST {upstream}/charge"])
    for request in ("call", "detach"):
        same(told("abort", request), ["abort     in the first run: the process dies of signal 6"])
    code, page, _ = prove("children", "GET /input", upstream=upstream)
    same((code, page[2].split(";")[0]), (1, 'handler    differs at crash 1: the input of call "save"'))


@test
def runs_that_are_called_and_fail_are_told(upstream, temp):
    def told(request, entries):
        code, page, _ = prove("children", request, upstream=upstream)
        all_good(page[0])
        same((code, page[0].split(",")[0]), (1, entries))
        return page[1:]

    for function, entries in (("refuse", "8 entries of 2 runs"), ("fail", "10 entries of 2 runs")):
        said = told(f"GET /call?function={function}", entries)
        same(said, ["handler   the run fails with 500: it is so"])
    same(
        told("GET /detach?function=refuse", "7 entries of 2 runs"),  # nobody else would tell
        ["refuse    the run fails with 500: it is so"],
    )
    stopped = ['stop      the run stops: step "fail" has used its retries (2 attempts): it is so']
    same(told("GET /call?function=stop", "6 entries of 2 runs"), stopped)  # its caller waits
    same(told("GET /detach?function=stop", "8 entries of 2 runs"), stopped)
    [circle] = told("circle", "83 entries of 17 runs")
    same("--call-depth-max" in circle, True)
    code, page, _ = prove("children", "GET /call?function=nothing", upstream=upstream)
    same((code, 'the program has no function "nothing"' in page[1]), (1, True))


@test
def a_run_that_fails_is_told(upstream, temp):
    code, page, _ = prove("calls", "GET /declined")
    all_good(page[0])
    same((code, page[1:]), (1, ["handler   the run fails with 500: declined"]))


@test
def a_run_that_stops_when_a_step_has_used_its_retries_is_told(upstream, temp):
    code, page, _ = prove("good", "POST /loans", "--prove-timeout", "20s", upstream=upstream)
    all_good(page[0])
    same(
        (code, page[1:]),
        (1, ['handler   the run stops: step "lend" has used its retries (3 attempts): the bank is closed']),
    )


@test
def limits_have_flags(upstream, temp):
    code, page, error = prove("calls", "GET /streams", "--prove-memory", "1MiB", upstream=upstream)
    same((code, page, error.splitlines()[-1]), (2, [], "calls: an execution reports more than --prove-memory"))
    code, page, error = prove("calls", "GET /failures", "--prove-timeout", "100ms", upstream=upstream)
    same((code, page[1:]), (1, ["handler   in the first run: it does not end within --prove-timeout"]))


@test
def wrong_input_is_refused(upstream, temp):
    def refused(program, request, *flags):
        code, page, error = prove(program, request, *flags)
        same((code, page), (2, []))
        return error.splitlines()[-1]

    same(refused("good", "POST /nowhere"), 'good: --prove "POST /nowhere": the program has no such route')
    same(refused("good", "GET /orders"), 'good: --prove "GET /orders": this path takes POST, OPTIONS')
    same(
        refused("good", "GET /plain"),
        'good: --prove "GET /plain": this is no durable endpoint (sw_endpoint): it has no run that could be resumed',
    )
    same(
        refused("good", "/orders"), 'good: --prove "/orders": must be a method and a path, as "POST /orders?express=1"'
    )
    same(
        refused("good", "POST /orders", "-d", "@" + temp + "/none"),
        f"good: --prove-body @{temp}/none: No such file or directory",
    )
    same(
        refused("good", "orders/none"),
        'good: --prove "orders/none": the program has no such function; a request is a method and a path, as '
        '"POST /orders?express=1"',
    )
    same(
        refused("good", "orders/deliver", "-H", "X-Tenant: 7"),
        'good: --prove "orders/deliver": a function has no headers (--prove-header, -H)',
    )
    same(
        refused("good", "orders/deliver", "-d", "{"),
        'good: --prove "orders/deliver": the request began no run: HTTP/1.1 400 Bad Request',
    )
    same(refused("good", "POST /orders", "-H", "no header"), 'good: --prove-header "no header": must be "Name: value"')
    same(refused("good", "POST /orders", "-d"), "good: --prove-body needs a value: --prove-body DATA|@FILE")
    same(
        refused("good", "POST /orders", "-d", "{}", "--body-max", "1"),
        'good: --prove "POST /orders": the request began no run: HTTP/1.1 413 Content Too Large',
    )
    same(
        refused("good", "POST /orders", "--replay", temp + "/none"),
        f"good: --replay {temp}/none: No such file or directory",
    )
    with open(temp + "/bad", "w", encoding="utf-8") as file:
        file.write('{"stepwellRecording":1}\nnot JSON\n')
    same(
        refused("good", "POST /orders", "--replay", temp + "/bad").split(" (")[0][:60],
        f"good: --replay {temp}/bad: line 2: it is not JSON"[:60],
    )
    with open(temp + "/bad", "w", encoding="utf-8") as file:
        file.write('{"stepwellRecording":1}\n{"status":200}\n')
    same(
        refused("good", "POST /orders", "--replay", temp + "/bad"),
        f'good: --replay {temp}/bad: line 2: it is no call: "path", "method" and "url" are missing',
    )
    call = '"path":"1","method":"GET","url":"http://h/"'
    for line, wrong in (
        (f'{{{call},"status":"200"}}', '"status" is no number from 100 to 999'),
        (f'{{{call},"status":0}}', '"status" is no number from 100 to 999'),
        (f'{{{call},"status":1000}}', '"status" is no number from 100 to 999'),
        (f'{{{call},"error":7}}', '"error" is no text'),
        (f'{{{call},"error":""}}', '"error" is empty'),
        ("\0", "it is not JSON"),
    ):
        with open(temp + "/bad", "w", encoding="utf-8") as file:
            file.write('{"stepwellRecording":1}\n' + line + "\n")
        wanted = f"good: --replay {temp}/bad: line 2: {wrong}"
        same(refused("good", "POST /orders", "--replay", temp + "/bad")[: len(wanted)], wanted)
    same(refused("good", "POST /orders", "--replay", temp), f"good: --replay {temp}: it is no regular file")
    os.mkfifo(temp + "/fifo")
    same(
        refused("good", "POST /orders", "--replay", temp + "/fifo"),
        f"good: --replay {temp}/fifo: it is no regular file",
    )
    same(
        refused("clock", "POST /orders", "--record", "/dev/full"), "clock: --record /dev/full: No space left on device"
    )
    same(refused("clock", "POST /orders", "--record", temp), f"clock: --record {temp}: Is a directory")
    with open(temp + "/bad", "w", encoding="utf-8"):
        pass
    same(
        refused("good", "POST /orders", "--replay", temp + "/bad")[:50],
        f"good: --replay {temp}/bad: line 1: it is not JSON"[:50],
    )
    for flag, value in (("--record", temp + "/x"), ("--replay", temp + "/x"), ("-d", "{}"), ("-H", "X-Tenant: 7")):
        run = subprocess.run([f"{folder}/prove_good", flag, value], capture_output=True, text=True, timeout=240)
        same(
            (run.returncode, run.stderr),
            (
                2,
                "good: --prove-body (-d), --prove-header (-H), --prove-signal, --record and --replay go with --prove\n",
            ),
        )


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"1..{len(tests)}")
    with tempfile.TemporaryDirectory(prefix="stepwell-prove-") as temp:
        for n, function in enumerate(tests, 1):
            name = function.__name__.replace("_", " ")
            try:
                function(f"http://127.0.0.1:{server.server_port}", temp)
                print(f"ok {n} - {name}", flush=True)
            except AssertionError as why:
                print(
                    f"not ok {n} - {name}\n" + "".join(f"# {line}\n" for line in str(why).splitlines()),
                    end="",
                    flush=True,
                )


main()
