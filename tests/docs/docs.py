"""A page does what it says: every command on it is run, in order, in one shell, and prints what stands under it.

Usage: docs.py PAGE [NAME]. The programs that the page shows are put into the folder where its commands are at that
moment. With NAME, that one is built and serves, and $URL is its address; without, the page's commands build and start
what they need. With DOCS_SHELL in the environment that is the shell (one in another system, say). The addresses below
are replaced by free ones. Only standard output is compared; programs log to the other. Reports TAP."""
import contextlib
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

page, name = sys.argv[1:]
MARK = "--- end of a command's output ---"
# Each one port above the one before.
ADDRESSES = (("127.0.0.1:8080", "127.0.0.1:8081"), ("127.0.0.1:9000", "127.0.0.1:9001"))


def programs(text):
    """(where it stands, file name, text) of each program that the page shows."""
    for found in re.finditer(r"^<!-- (\w+\.c) -->\n```c\n(.*?)^```$", text, re.M | re.S):
        yield found.start(), found[1], found[2]


def commands(text):
    """(where its block stands, command, expected lines) of each line that begins with `$ ` in a ```console block."""
    for block in re.finditer(r"^```console\n(.*?)^```$", text, re.M | re.S):
        command, expected = None, []
        for line in block[1].splitlines():
            if line.startswith("$ "):
                if command:
                    yield block.start(), command, expected
                command, expected = line[2:], []
            else:
                expected.append(line)
        yield block.start(), command, expected


def matches(expected, output):
    """`...` stands for anything in a line; empty lines at the end do not count."""
    wanted = "\n".join(expected).rstrip("\n")
    pattern = "".join(".*?" if piece == "..." else re.escape(piece) for piece in re.split(r"(\.\.\.)", wanted))
    return re.fullmatch(pattern, output.rstrip("\n"))


def free_ports(count):
    """That many in a row, below those that Linux gives to whoever asks for any port: a program of the page that is
    started again finds its own free."""
    for _ in range(1000):
        first = random.randrange(10000, 32768 - count)
        ports = range(first, first + count)
        with contextlib.ExitStack() as held:
            try:
                for port in ports:
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return ports
            except OSError:
                pass
    sys.exit("Bail out! no free ports in a row")


def with_free_addresses(text):
    for addresses in ADDRESSES:
        for address, port in zip(addresses, free_ports(len(addresses))):
            text = text.replace(address, f"127.0.0.1:{port}")
    return text


def wait_for_listener(command):
    """What a reader does who starts a program in the background and goes on to the next line."""
    found = re.search(r"--listen 127\.0\.0\.1:(\d+) .*&$", command)
    for _ in range(600 if found else 0):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", int(found[1]))) == 0:
                return
        time.sleep(0.05)


def run_command(command, shell):
    """What it prints on standard output."""
    shell.stdin.write(f"{command}\nprintf '%s\\n' {shlex.quote(MARK)}\n")
    shell.stdin.flush()
    output = ""
    for line in shell.stdout:
        if line.endswith(MARK + "\n"):
            return output + line[: -len(MARK) - 1]
        output += line
    sys.exit("Bail out! the shell has ended")


def write_program(name, code, shell):
    run_command(f"cat >{name} <<'--- end of a program ---'\n{code}--- end of a program ---", shell)


def run_page(text, shell, errors, shown):
    n = 0
    for at, command, expected in commands(text):
        while shown and shown[0][0] < at:
            write_program(*shown.pop(0)[1:], shell)
        errors.seek(0, os.SEEK_END)
        said_before = errors.tell()
        begun = time.monotonic()
        output = run_command(command, shell)
        wait_for_listener(command)
        took = time.monotonic() - begun
        n += 1
        good = matches(expected, output)
        print(f"{'ok' if good else 'not ok'} {n} - {command[:90].replace('#', '')}\n# {took:.1f} s", flush=True)
        if not good:
            errors.seek(said_before)
            print(
                "".join(
                    f"# {line}\n"
                    for line in [
                        "expected:",
                        *expected,
                        "printed:",
                        *output.splitlines(),
                        "and on standard error:",
                        *errors.read().splitlines(),
                    ]
                ),
                end="",
            )
    print(f"1..{n}")


def serve():
    subprocess.run(
        f"cc -Wall -Wextra -Werror {name}.c -o {name} $(pkg-config --cflags --libs stepwell)", shell=True, check=True
    )
    server = subprocess.Popen(
        ["./" + name, "--dev", "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for line in server.stderr:
        found = re.search(r"listening on (http://\S+)", line)
        if found:
            return server, found[1]
    sys.exit("Bail out! the program does not listen")


def main():
    text = with_free_addresses(open(page, encoding="utf-8").read())
    shown = list(programs(text))
    if name:
        for _, file_name, code in shown:
            with open(file_name, "w", encoding="utf-8") as file:
                file.write(code)
        shown = []
    server, url = serve() if name else (None, "")
    with tempfile.TemporaryFile("w+") as errors:
        shell = subprocess.Popen(
            shlex.split(os.environ.get("DOCS_SHELL", "sh")),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            shell.stdin.write(f"URL={shlex.quote(url)}\n")
            run_page(text, shell, errors, shown)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)  # what it started too
            if server:
                server.kill()


main()
