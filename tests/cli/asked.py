"""What the cases of cli.py share: the command `stepwell`, asked with words; a program that it looks at; the list of the
cases. Takes its programs from the command line of cli.py."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import urllib.error
import urllib.request

stepwell, told, letter = map(os.path.abspath, sys.argv[1:4])
WAIT_S = 240
HOSTILE = "red \x1b[31m\r\n\x07\u202eevil\u2066 \x9b2J \x7f tab\t".encode() + b"\xff\xfe end"
# Of characters that hide something, turn text round or look like nothing (Unicode, General_Category Cf, Co; variation
# selectors).
HIDDEN = "".join(map(chr, (0xAD, 0x61C, 0x180E, 0x200B, 0x200F, 0x2028, 0x202E, 0x2060, 0x2066, 0xFE00, 0xFE0F, 0xFEFF,
                           0xFFF9, 0xFFFB, 0xE000, 0xF8FF, 0xE0001, 0xE0041, 0xE007F)))
project = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
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


def wait_for(is_so):
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def is_harmless(text):
    for ch in text.replace("\n", ""):
        code = ord(ch)
        hostile = ch in HIDDEN or unicodedata.category(ch) in ("Cc", "Cf", "Co", "Zl", "Zp")
        assert not hostile, f"U+{code:04x} is printed in {text!r}"


def read(path):
    with open(os.path.join(project, path), encoding="utf-8") as file:
        return file.read()


cases = []


def case(name):
    return lambda function: cases.append((name, function))
