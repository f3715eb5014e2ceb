"""The service that fan-outs call (bench/delay), and raw curl that makes the same calls (bench/raw_curl.c)."""
import contextlib
import os
import re
import subprocess
import urllib.request

from programs import Unanswered, folder, output, program, wrk

HOSTS_MAX, STREAMS = 200, 100  # what RFC 9113 wants a service to allow at least
WARM_ROUNDS_MAX = 30


def make_certificate(path, hosts):
    """Certificate and key in one file, for as many addresses; trusted by the programs that are started from now on."""
    names = ",".join(f"IP:127.0.0.{n + 1}" for n in range(hosts))
    key, kind = path / "key.pem", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    certificate = path / "certificate.pem"
    output("openssl", "req", "-x509", *kind, "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}", "-keyout",
           key, "-out", certificate)
    both = path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    os.environ["SSL_CERT_FILE"] = str(certificate)
    return both


@contextlib.contextmanager
def upstream(bench, latency_ms, hosts=1, tls=False, http2=False):
    """The bundled service; yields its URL. http2 is over TLS too."""
    former = os.environ.get("SSL_CERT_FILE")
    with folder() as path:
        flags = ["--hosts", hosts]
        if tls or http2:
            flags += ["--tls", make_certificate(path, hosts)]
        if http2:
            flags += ["--http2", STREAMS]
        try:
            with program(bench / "delay_server", latency_ms, *flags) as (url, _):
                yield url + "/"
        finally:
            if former is None:
                os.environ.pop("SSL_CERT_FILE", None)
            else:
                os.environ["SSL_CERT_FILE"] = former


def connections_seen(url):
    """How many connections the bundled service has accepted."""
    with urllib.request.urlopen(url.replace("https:", "http:") + "seen", timeout=30) as answer:
        return int(re.match(rb"connections (\d+)", answer.read())[1])


def warm(service_url, url, connections, seconds):
    """Has the service under test open its connections, until it answers and opens none any more."""
    for _ in range(WARM_ROUNDS_MAX):
        before = connections_seen(url)
        with contextlib.suppress(Unanswered):
            wrk(service_url, connections, seconds)
            if connections_seen(url) == before:
                return


def raw_curl(bench, url, calls, seconds, width, hosts=1, http2=False, waves=None):
    """Fan-outs of raw curl: how many a second, and how long they take."""
    flags = ["--hosts", hosts] + (["--http2"] if http2 else []) + (["--waves", waves] if waves else [])
    try:
        said = output(bench / "raw_curl", *flags, url, calls, seconds, width)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"with {calls} calls at once {url} fails, or does not answer within {seconds} s: "
            f"{error.stdout}{error.stderr}"
        ) from None
    rate, p50, p99 = re.search(r"([\d.]+) fans/s, p50 ([\d.]+) ms, p99 ([\d.]+) ms", said).groups()
    return {"rps": float(rate), "p50_ms": float(p50), "p99_ms": float(p99)}
