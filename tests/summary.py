"""Adds up what the parts of script/test left in a folder: NAME.json (meson's test log) and NAME.part (ok or failed)."""
import json
import pathlib
import re
import sys

passed, failed, broken = 0, 0, []
for log in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    for line in log.read_text().splitlines():
        test = json.loads(line)
        good = len(re.findall(r"^ok \d+(?!.*# SKIP)", test.get("stdout", ""), re.M))
        bad = len(re.findall(r"^not ok \d+", test.get("stdout", ""), re.M))
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += good or 1
        elif test["result"] != "SKIP":
            passed += good
            failed += bad or 1
            broken.append(f"{log.stem}: {test['name']} ({test['result']})")
for part in sorted(pathlib.Path(sys.argv[1]).glob("*.part")):
    if part.read_text().strip() == "ok":
        passed += 1
    else:
        failed += 1
        broken.append(part.stem)
for name in broken:
    print("FAILED", name)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
