"""docs/http.md does what it says: its program is built and every command on the page run, in order, in one shell.

Usage: http_docs.py PROGRAM PAGE. Reports TAP."""
import re
import shlex
import subprocess
import sys
import tempfile

program, page = sys.argv[1:]
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


def main():
    folder = tempfile.TemporaryDirectory(prefix="stepwell-docs-")
    server = subprocess.Popen([program, "--dev", "--listen", "127.0.0.1:0", "--data", folder.name + "/data"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    shell = None
    try:
        for line in server.stderr:
            found = re.search(r"listening on (http://\S+)", line)
            if found:
                break
        else:
            sys.exit("Bail out! the program does not listen")
        shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        shell.stdin.write(f"URL={shlex.quote(found[1])}\n")
        n = 0
        for command, expected in commands(open(page, encoding="utf-8").read()):
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
    finally:
        if shell:
            shell.kill()
        server.kill()


main()
