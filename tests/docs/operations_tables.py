"""The tables of docs/operations.md name each flag, file and metric of a real program, and nothing else.

Usage: operations_tables.py PROGRAM PAGE. Reports TAP."""
import os
import re
import subprocess
import sys
import tempfile
import urllib.request

program, page = sys.argv[1:]
TEXT = open(page, encoding="utf-8").read()


def rows(heading):
    """The cells of the rows of the table with this heading."""
    table = TEXT.split(heading + "\n", 1)[1].split("\n\n", 1)[0]
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table.splitlines()[1:]
    ]


def plain(cell):
    return cell.strip("`")


def flags_of_help():
    """(flag with its value, default, environment variable), as the program prints them."""
    out = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    for flag, rest in re.findall(r"^  (--\S+(?: \S+)?)(?: (.*))?$", out, re.M):
        name = flag.split()[0][2:]
        default = re.search(r"\(default (.*)\)$", rest)
        if name not in ("help", "version"):
            yield flag, default[1] if default else "", "STEPWELL_" + name.upper().replace("-", "_")


def check(n, name, documented, real):
    missing, surplus = sorted(set(real) - set(documented)), sorted(set(documented) - set(real))
    print(f"{'not ok' if missing or surplus or not real else 'ok'} {n} - {name}")
    for what, items in (("not on the page", missing), ("only on the page", surplus)):
        for item in items:
            print(f"# {what}: {item}")
    if len(documented) != len(set(documented)):
        print("# named twice")


def main():
    documented = [
        (plain(r[0]), plain(r[1]), plain(r[2])) for r in rows("| flag | default | environment | what it is |")
    ]
    check(1, "each flag with its default and its variable", documented, list(flags_of_help()))
    with tempfile.TemporaryDirectory(prefix="stepwell-tables-") as folder:
        data = folder + "/data"
        server = subprocess.Popen(
            [program, "--dev", "--admin-on-public"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "STEPWELL_LISTEN": "127.0.0.1:0", "STEPWELL_DATA": data},
        )
        try:
            url = next(
                (m[1] for m in (re.search(r"listening on (http://\S+)", line) for line in server.stderr) if m), None
            )
            if not url:
                sys.exit("Bail out! the program does not listen")
            metrics = urllib.request.urlopen(url + "/_sw/metrics").read().decode()
            files = os.listdir(data)
            modes = {name: os.stat(os.path.join(data, name)).st_mode & 0o777 for name in (".", "secret")}
        finally:
            server.kill()
            server.wait()
    check(
        2,
        "each metric",
        [plain(r[0]) for r in rows("| metric | what it says |")],
        re.findall(r"^# TYPE (\w+) ", metrics, re.M),
    )
    listed = [plain(r[0]) for r in rows("| file | what it is |")]
    check(3, "each file of the data folder", [f for f in listed if f != "probe"], files)
    check(4, "who may read them", [(".", 0o700), ("secret", 0o600)], list(modes.items()))
    print("1..4")


main()
