"""A page of docs/ does what it says: every command on it is run, in order, in one shell, and prints what stands under it.

Usage: docs.py PAGE [NAME]. The programs that the page shows are put into the current folder. With NAME, that one is built
and serves, and $URL is its address; without, the page's commands build and start what they need. The addresses below are
replaced by free ones. Reports TAP."""
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

page, name = sys.argv[1:]
MARK = "--- end of a command's output ---"
ADDRESSES = ("127.0.0.1:8080", "127.0.0.1:9000")


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


def with_free_addresses(text):
    for address in ADDRESSES:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            text = text.replace(address, f"127.0.0.1:{free.getsockname()[1]}")
    return text


def wait_for_listener(command):
    """What a reader does who starts a program in the background and goes on to the next line."""
    found = re.search(r"--listen 127\.0\.0\.1:(\d+) .*&$", command)
    for _ in range(600 if found else 0):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", int(found[1]))) == 0:
                return
        time.sleep(0.05)


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
        wait_for_listener(command)
        n += 1
        good = matches(expected, output)
        print(f"{'ok' if good else 'not ok'} {n} - {command[:90].replace('#', '')}", flush=True)
        if not good:
            print("".join(f"# {line}\n" for line in ["expected:", *expected, "printed:", *output.splitlines()]), end="")
    print(f"1..{n}")


def serve():
    subprocess.run(f"cc -Wall -Wextra -Werror {name}.c -o {name} $(pkg-config --cflags --libs stepwell)", shell=True, check=True)
    server = subprocess.Popen(["./" + name, "--dev", "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        found = re.search(r"listening on (http://\S+)", line)
        if found:
            return server, found[1]
    sys.exit("Bail out! the program does not listen")


def main():
    text = with_free_addresses(open(page, encoding="utf-8").read())
    for shown, code in re.findall(r"^<!-- (\w+\.c) -->\n```c\n(.*?)^```$", text, re.M | re.S):
        with open(shown, "w", encoding="utf-8") as file:
            file.write(code)
    server, url = serve() if name else (None, "")
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
