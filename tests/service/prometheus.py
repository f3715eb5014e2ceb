"""A real Prometheus takes the page of metrics; every query of the dashboard has data in it, and every alert fires when
it should.

Usage: prometheus.py PROGRAM SOURCES, with service_durations as the program. Reports TAP."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from alerts import ALERTS, unit_tests

program, sources = sys.argv[1], os.path.abspath(sys.argv[2])
RULES = os.path.join(sources, "packaging/prometheus/stepwell.rules.yml")
DASHBOARD = os.path.join(sources, "packaging/grafana/stepwell.json")
WAIT_S = 240
cases = 0


def report(name, faults):
    global cases
    cases += 1
    print(f"{'not ok' if faults else 'ok'} {cases} - {name}")
    for fault in faults:
        print("# " + str(fault).replace("\n", "\n# "))
    sys.stdout.flush()


def find(tool):
    # Debian has both in /usr/bin.
    path = shutil.which(tool)
    if not path:
        sys.exit(f"Bail out! {tool} is not installed: script/setup e2e")
    return path


def read(url, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=WAIT_S) as reply:
        return reply.read().decode()


def work(server):
    """Has something of each kind happen."""
    for path in ("steps", "numbered", "fail", "nap", f"call?url={server}/plain/it"):
        try:
            read(f"{server}/{path}", "POST")
        except urllib.error.HTTPError:
            pass  # what /fail is for
    read(server + "/plain/somebody")


def start_program(folder):
    args = [program, "--serve", "--listen", "127.0.0.1:0", "--data", folder + "/data", "--dev", "--loops", "2"]
    args += ["--admin-on-public", "--admin-listen", "none"]
    log = open(folder + "/program.log", "w+", encoding="utf-8")
    server = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        said = re.search(r"listening on (http://\S+)", open(folder + "/program.log", encoding="utf-8").read())
        if said:
            return server, said[1]
        time.sleep(0.05)
    sys.exit("Bail out! the program does not listen")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_prometheus(tool, folder, target):
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [RULES],
        "scrape_configs": [
            {"job_name": "shop", "metrics_path": "/_sw/metrics", "static_configs": [{"targets": [target]}]}
        ],
    }
    with open(folder + "/prometheus.yml", "w", encoding="utf-8") as f:
        json.dump(config, f)  # YAML is JSON too
    log = open(folder + "/prometheus.log", "w", encoding="utf-8")
    args = [tool, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    args += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    return subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log), f"http://127.0.0.1:{port}"


def query(prometheus, expression):
    """The samples; NaN, which a ratio of nothing is, counts as none."""
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        samples = json.loads(read(url))["data"]["result"]
    except urllib.error.HTTPError as e:
        return e.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return []  # it does not listen yet
    return [s for s in samples if s["value"][1] != "NaN"]


def dashboard_queries():
    with open(DASHBOARD, encoding="utf-8") as f:
        panels = json.load(f)["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], expression.replace("$job", ".*").replace("$instance", ".*")


def without_data(server, prometheus):
    """Goes on working until every query has data; returns those that have none in the end."""
    left = dict.fromkeys(dashboard_queries())
    end = time.monotonic() + WAIT_S
    while left and time.monotonic() < end:
        work(server)
        for key in list(left):
            left[key] = query(prometheus, key[1])
            if isinstance(left[key], list) and left[key]:
                del left[key]
    return [f"{title}: {expression}: {answer}" for (title, expression), answer in left.items()]


def check_page(promtool, server):
    page = read(server + "/_sw/metrics")
    said = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).splitlines()


def check_rules(promtool, folder):
    with open(RULES, encoding="utf-8") as f:
        named = set(re.findall(r"alert: (\w+)", f.read()))
    with open(folder + "/alerts.yml", "w", encoding="utf-8") as f:
        f.write(unit_tests(RULES))
    command = [promtool, "test", "rules", folder + "/alerts.yml"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    faults = [f"{alert}: no test, or no rule" for alert in named ^ set(ALERTS)]
    return faults + ([said.stdout + said.stderr] if said.returncode else [])


def unknown_metrics(server):
    """Metrics that rules and dashboard name, and the page does not have."""
    page = read(server + "/_sw/metrics")
    names = set(re.findall(r"^# TYPE (\S+) ", page, re.M))
    names |= {n + end for n in names for end in ("_bucket", "_count", "_sum")}
    texts = [open(path, encoding="utf-8").read() for path in (RULES, DASHBOARD)]
    return sorted(set(re.findall(r"\b(?:stepwell|process)_\w+", " ".join(texts))) - names)


def main():
    prometheus_tool, promtool = find("prometheus"), find("promtool")
    with tempfile.TemporaryDirectory(prefix="stepwell-prometheus-") as folder:
        report("each alert fires when it should, and not else", check_rules(promtool, folder))
        server_process, server = start_program(folder)
        prometheus_process = None
        try:
            work(server)
            report("promtool finds nothing wrong with the page", check_page(promtool, server))
            report("dashboard and alerts name metrics that exist", unknown_metrics(server))
            target = server.removeprefix("http://")
            prometheus_process, prometheus = start_prometheus(prometheus_tool, folder, target)
            report("each query of the dashboard has data", without_data(server, prometheus))
        finally:
            for process in filter(None, (prometheus_process, server_process)):
                process.send_signal(signal.SIGTERM)
                process.wait()
    print(f"1..{cases}")


main()
