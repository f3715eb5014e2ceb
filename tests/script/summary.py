"""Nothing that did not run counts as passed: script/summary.py and the programs that run others. Reports TAP."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
PASSES = "1..2\nok 1 - one\nok 2 - two\n"
SKIPS = "1..2\nok 1 - one\nok 2 - two # SKIP there is no two\n"
FAILS = "1..3\nok 1 - one\nnot ok 2 - two\n# it is three\nok 3 - four\n# four\n"


def summary(logged, listed, status="0", parts=(), ci="false", lines=slice(-1, None)):
    """logged: (name, meson's result, output) of each; returns those lines, else the closing one, and the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        if listed is not None:
            (at / "unit.json").write_text(
                "".join(json.dumps({"name": n, "result": r, "stdout": out}) + "\n" for n, r, out in logged)
            )
            (at / "unit.list").write_text("".join(n + "\n" for n in listed))
            (at / "unit.status").write_text(status + "\n")
        for name, word in parts:
            (at / f"{name}.part").write_text(word + "\n")
        done = subprocess.run(
            [sys.executable, TESTS.parent / "script/summary.py", folder],
            capture_output=True,
            text=True,
            env={**os.environ, "CI": ci},
            check=False,
        )
        return "\n".join(done.stdout.splitlines()[lines]), done.returncode


def closing_lines():
    a, b = ("a", "OK", PASSES), ("b", "OK", PASSES)
    yield "all pass", summary([a, b], "ab"), ("4 passed, 0 failed", 0)
    yield "a failed case", summary([a, ("b", "FAIL", FAILS)], "ab", "1"), ("4 passed, 1 failed", 1)
    yield "a failed case says why", summary([a, ("b", "ERROR", FAILS)], "ab", "1", lines=slice(0, -1)), (
        "FAILED unit: b (ERROR)\n  not ok 2 - two\n  # it is three",
        1,
    )
    yield "a failed program whose cases passed", summary([a, ("b", "ERROR", PASSES)], "ab", "1"), (
        "4 passed, 1 failed",
        1,
    )
    yield "a listed test that did not run", summary([a], "ab"), ("2 passed, 1 failed", 1)
    yield "meson fails and no test does", summary([a], "a", "1"), ("2 passed, 1 failed", 1)
    yield "nothing ran", summary([], ""), ("0 passed, 1 failed", 1)
    yield "skipped cases are counted", summary([a, ("b", "OK", SKIPS)], "ab"), ("3 passed, 0 failed, 1 skipped", 0)
    yield "a skipped program is counted", summary([a, ("b", "SKIP", "")], "ab"), ("2 passed, 0 failed, 1 skipped", 0)
    yield "nothing may be skipped in CI", summary([a, ("b", "OK", SKIPS)], "ab", ci="true"), ("3 passed, 1 failed", 1)
    yield "a part that fails", summary([a], "a", parts=[("lint", "failed")]), ("2 passed, 1 failed", 1)
    yield "a part that passes", summary([], None, parts=[("lint", "ok")]), ("1 passed, 0 failed", 0)


def suite(program, *parts):
    """script/test on a project of one test, which runs the program; returns the closing line and the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        (at / "script").mkdir()
        for name in ("script/test", "script/quiet.sh", "script/summary.py"):
            shutil.copy(TESTS.parent / name, at / name)
        for name in ("setup", "lint"):
            (at / "script" / name).symlink_to("/bin/true")
        (at / "meson.build").write_text(f"project('small')\ntest('one', find_program('{program}'), suite: 'unit')\n")
        done = subprocess.run([at / "script/test", *parts], capture_output=True, text=True, check=False)
        return done.stdout.splitlines()[-1:], done.returncode


def whole_suites():
    yield "script/test ends with 0 when all pass", suite("true", "unit", "lint"), (["2 passed, 0 failed"], 0)
    yield "and with 1 when a test fails", suite("false", "unit", "lint"), (["1 passed, 1 failed"], 1)
    yield "and when a part does not build", suite("there is none", "unit", "lint"), (["1 passed, 1 failed"], 1)
    yield "and with 2 when there is no such part", suite("true", "some"), ([], 2)


def run_node(text, *, installed=True):
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        for name in ("run.sh", "package-lock.json"):
            shutil.copy(TESTS / "e2e" / name, at)
        if installed:
            (at / "node_modules").symlink_to(TESTS / "e2e/node_modules")
        (at / "some.test.mjs").write_text(text)
        done = subprocess.run(["sh", at / "run.sh", "some.test.mjs"], capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout.strip().splitlines()[-1:]


def node_programs():
    head = "import { test } from 'node:test';\n"
    yield "a Node program runs", run_node(head + "test('a', () => {});")[0], True
    yield "without its packages it fails and says so", run_node(head, installed=False), (
        False,
        ["Bail out! tests/e2e/node_modules is missing or out of date: run script/setup e2e"],
    )
    yield "without a test it fails", run_node("const a = 1;"), (False, ["Bail out! some.test.mjs holds no test"])
    yield "with a skipped test it fails", run_node(head + "test('a', () => {}); test.skip('b', () => {});"), (
        False,
        ["Bail out! some.test.mjs did not run all of its tests"],
    )


def emulated():
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["/bin/sh", TESTS / "coro/coro_aarch64.sh", TESTS.parent],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": folder},
        )
        yield "without its compiler the emulated test fails and says so", (done.returncode, done.stdout), (
            1,
            "Bail out! aarch64-linux-gnu-gcc is missing: run script/setup e2e\n",
        )


count = 0
for name, got, wanted in [*closing_lines(), *whole_suites(), *node_programs(), *emulated()]:
    count += 1
    print(f"{'ok' if got == wanted else 'not ok'} {count} - {name}")
    if got != wanted:
        print(f"# {got} instead of {wanted}")
print(f"1..{count}")
