"""A page of docs/ does what it says: every command on it is run, in order, in one shell, and prints what stands under it.

Usage: docs.py PAGE [PROGRAM]. With PROGRAM, that serves and $URL is its address; without, the page's commands start what
they need, in the current folder. The address 127.0.0.1:8080 is replaced by one that is free. Reports TAP."""
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile

page, program = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
MARK = "--- end of a command's output ---"


def commands(text):
    """(command, expected lines) of each ```console block."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        command, expected = None, []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, expected
                command, expected = line[2:], []
            else:
                expected.append(line)
        yield command, expected


def matches(expected, output):
    """`...` stands for anything in a line; empty lines at the end do not count."""
    wanted = "\n".join(expected).rstrip("\n")
    pattern = "".join(".*?" if piece == "..." else re.escape(piece) for piece in re.split(r"(\.\.\.)", wanted))
    return re.fullmatch(pattern, output.rstrip("\n"))


def run_page(text, shell):
    n = 0
    for command, expected in commands(text):
        shell.stdin.write(f"{command}\nprintf '%s\\n' {shlex.quote(MARK)}\n")
        shell.stdin.flush()
        output = ""
        for line in shell.stdout:
            if line.endswith(MARK + "\n"):
                output += line[:-len(MARK) - 1]
                break
            output += line
        n += 1
        good = matches(expected, output)
        print(f"{'ok' if good else 'not ok'} {n} - {command[:90].replace('#', '')}", flush=True)
        if not good:
            print("".join(f"# {line}\n" for line in ["expected:", *expected, "printed:", *output.splitlines()]), end="")
    print(f"1..{n}")


def serve(folder):
    server = subprocess.Popen([program, "--dev", "--listen", "127.0.0.1:0", "--data", folder + "/data"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        found = re.search(r"listening on (http://\S+)", line)
        if found:
            return server, found[1]
    sys.exit("Bail out! the program does not listen")


def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    text = open(page, encoding="utf-8").read().replace("127.0.0.1:8080", address)
    folder = tempfile.TemporaryDirectory(prefix="stepwell-docs-")
    server, url = serve(folder.name) if program else (None, "")
    shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             start_new_session=True)
    try:
        shell.stdin.write(f"URL={shlex.quote(url)}\n")
        run_page(text, shell)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)  # what it started too
        if server:
            server.kill()


main()
