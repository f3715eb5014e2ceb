"""Adds up what the parts of script/test left in a folder, and prints "N passed, N failed" (", N skipped" when tests
were).

NAME.list has the tests that must have run, as meson names them, NAME.json meson's log of them, NAME.status how meson
test ended, NAME.part a part's own word: ok or failed. A listed test that is not in the log has failed; so has, with
CI=true in the environment, a skipped one."""
import json
import os
import pathlib
import re
import sys

passed, failed, skipped, broken = 0, 0, 0, []


def lines(text, pattern):
    return len(re.findall(pattern, text, re.M))


def why_bad(said):
    """The cases of a test that failed, each with what is said of it in the lines below; few of them, and short."""
    told = re.findall(r"^not ok .*(?:\n(?:#|  ).*){0,20}", said, re.M)
    return [f"  {line[:300]}" for case in told[:5] for line in case.splitlines()]


def add_test(part, test):
    global passed, failed, skipped
    said = test.get("stdout", "")
    good, bad = lines(said, r"^ok \d+(?!.*# SKIP)"), lines(said, r"^not ok \d+")
    left_out = lines(said, r"^ok \d+.*# SKIP")
    if test["result"] == "SKIP":
        left_out = left_out or 1
    elif test["result"] == "OK":
        good = good or 1  # libFuzzer's programs count nothing
    else:
        bad = bad or 1
        broken.append(f"{part}: {test['name']} ({test['result']})")
        broken.extend(why_bad(said))
    if left_out and os.environ.get("CI") == "true":
        broken.append(f"{part}: {test['name']} (skipped, which no test may be with CI=true)")
        failed += left_out
    else:
        skipped += left_out
    passed += good
    failed += bad


def add_part(folder, part):
    """One that ran under meson test."""
    global failed
    before = failed
    tests = [json.loads(line) for line in (folder / f"{part}.json").read_text().splitlines()]
    for test in tests:
        add_test(part, test)
    absent = set((folder / f"{part}.list").read_text().splitlines()) - {test["name"] for test in tests}
    for name in sorted(absent):
        broken.append(f"{part}: {name} (did not run)")
    failed += len(absent)
    status = (folder / f"{part}.status").read_text().strip()
    if status != "0" and failed == before:
        broken.append(f"{part}: meson test ended with {status}")
        failed += 1
    if not tests:
        broken.append(f"{part}: no test ran")
        failed += 1


def main(folder):
    global passed, failed
    for log in sorted(folder.glob("*.json")):
        add_part(folder, log.stem)
    for part in sorted(folder.glob("*.part")):
        if part.read_text().strip() == "ok":
            passed += 1
        else:
            failed += 1
            broken.append(part.stem)
    for name in broken:
        print(name if name.startswith(" ") else f"FAILED {name}")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed or not passed else 0)


main(pathlib.Path(sys.argv[1]))
