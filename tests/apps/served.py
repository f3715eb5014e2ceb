"""What the tests of apps/ share: programs that are killed and started again, clients that ask again, a report as
TAP."""
import contextlib
import http.client
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

WAIT_S = 240  # for anything; nothing is judged by how long it took


def free_port():
    """Below those that Linux gives to whoever asks for any: a program that is killed finds its own free again."""
    while True:
        port = random.randrange(10000, 32768)
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            return port


class Program:
    def __init__(self, *command, env=None):
        self.command, self.env = command, env

    def start(self, *flags):
        self.process = subprocess.Popen([*self.command, *flags], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, env=self.env)
        while not (found := re.search(r"listening on (http://\S+)", line := self.process.stderr.readline())):
            assert line, f"{self.command[0]} does not start"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.url = found[1]
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()


def ask(url, body=None, **headers):
    """Returns status and JSON, or text; follows redirects."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    q = urllib.request.Request(url, data=data)
    for name, value in {**({} if body is None else {"Content_Type": "application/json"}), **headers}.items():
        q.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(q, timeout=WAIT_S) as answer:
            return answer.status, read(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, read(answer)


def read(answer):
    said = answer.read()
    return json.loads(said) if "json" in answer.headers.get("Content-Type", "") else said.decode()


def ask_again(url, body=None, **headers):
    """As a client that asks again when its connection breaks."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            status, said = ask(url, body, **headers)
            if status != 503 or time.monotonic() > until:
                return status, said
        except (OSError, ValueError, http.client.HTTPException):  # cut, in the middle too
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


def await_ledger(world, good):
    """What `world` has done, once that is good; or as it is in the end."""
    until = time.monotonic() + WAIT_S
    while True:
        _, ledger = ask(world.url + "/ledger")
        if good(ledger) or time.monotonic() > until:
            return ledger
        time.sleep(0.05)


def report(names):
    """Runs the functions whose names begin with case_."""
    cases = [(name, case) for name, case in list(names.items()) if name.startswith("case_")]
    failed = 0
    print(f"1..{len(cases)}")
    for at, (name, case) in enumerate(cases, 1):
        try:
            case()
            print(f"ok {at} - {name[5:].replace('_', ' ')}", flush=True)
        except AssertionError as e:
            failed += 1
            print(f"not ok {at} - {name[5:].replace('_', ' ')}\n# {str(e)[:2000]}", flush=True)
    sys.exit(1 if failed else 0)
