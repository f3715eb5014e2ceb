"""script/limits names what is too large, and nothing else. Reports TAP."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def function(head, lines):
    return f"{head}\n{{\n" + "    x();\n" * (lines - 3) + "}\n"


CASES = [
    ("a file of 500 lines", "http/a.c", "\n" * 500, None),
    ("and no longer one", "http/a.c", "\n" * 501, "501 lines, not 500"),
    ("but a test of 800", "tests/a.c", "\n" * 800, None),
    ("and no longer one", "tests/a.c", "\n" * 801, "801 lines, not 800"),
    ("the manual has 800", "runtime/stepwell.h", "\n" * 800, None),
    ("and no longer one", "runtime/stepwell.h", "\n" * 801, "801 lines, not 800"),
    ("a line of 120 columns", "http/a.py", "x" * 120, None),
    ("and no longer one, in any language", "http/a.py", "x" * 121, "121 columns, not 120"),
    ("but prose is not counted", "docs/a.md", "x" * 1000, None),
    ("nor are a page's templates", "console/a.js", "x" * 200, None),
    ("whose files have no more lines than others", "console/a.js", "\n" * 501, "501 lines, not 500"),
    ("a function of 60 lines", "http/a.c", function("static void f(void)", 60), None),
    ("and no longer one", "http/a.c", function("static void f(void)", 61), "f: 61 lines, not 60"),
    ("five parameters", "http/a.c", function("void f(int a, int b, int c, int d, void (*e)(int, int))", 9), None),
    ("and no more", "http/a.c", function("f(int a, int b,\n       int c, int d, int e, int g)", 9), "6 parameters"),
]


def said(path, text):
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        (at / "script").mkdir()
        shutil.copy(SOURCE / "script/limits", at / "script/limits")
        (at / path).parent.mkdir(parents=True)
        (at / path).write_text(text, encoding="utf-8")
        done = subprocess.run([at / "script/limits", path], cwd=at, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr


print(f"1..{len(CASES)}")
failed = 0
for number, (name, path, text, why) in enumerate(CASES, 1):
    code, told = said(path, text)
    good = (code, told) == (0, "") if why is None else code == 1 and why in told and path in told
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good:
        print(f"# {code} {told}")
sys.exit(1 if failed else 0)
