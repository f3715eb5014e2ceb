"""script/rooms finds each kind of include that the rooms forbid, and no other. Reports TAP."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CASES = [
    ("a room knows those below it", "runtime/run/a.c", "http/server/server.h", None),
    ("and its own files", "runtime/run/a.c", "runtime/run/run.h", None),
    ("and the door", "runtime/base/a.c", "runtime/stepwell.h", None),
    ("but none above it", "runtime/run/a.c", "runtime/clients/waiter.h", "is above"),
    ("nor the folder that it is in", "runtime/run/a.c", "runtime/door.h", "is above"),
    ("nor one beside it", "http/client/a.c", "http/server/server.h", "is beside"),
    ("storage knows no HTTP", "storage/a.c", "http/http_text.h", "is beside"),
    ("a program knows <stepwell.h>", "apps/hello/a.c", "stepwell.h", None),
    ("and nothing else", "apps/hello/a.c", "runtime/base/json.h", "is inside"),
    ("the database is known in one room", "storage/rocks/a.c", "rocksdb/c.h", None),
    ("and in no other", "runtime/process/a.c", "rocksdb/c.h", "is for storage/rocks"),
    ("the journal in memory serves nobody", "runtime/process/a.c", "storage/memory/memory.h", "is for"),
    ("a folder without a floor is named", "storage/postgres/a.c", "storage/store.h", "has no floor"),
]


def said(path, included):
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        (at / "script").mkdir()
        shutil.copy(SOURCE / "script/rooms", at / "script/rooms")
        (at / path).parent.mkdir(parents=True)
        (at / path).write_text(f'#include <stdio.h>\n#include "{included}"\n')
        subprocess.run(["git", "init", "-q", at], check=True)
        subprocess.run(["git", "-C", at, "add", "."], check=True)
        done = subprocess.run([at / "script/rooms"], cwd=at, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr


print(f"1..{len(CASES) + 1}")
failed = 0
for number, (name, path, included, why) in enumerate(CASES, 1):
    code, text = said(path, included)
    good = (code, text) == (0, "") if why is None else code == 1 and why in text and os.path.dirname(path) in text
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good:
        print(f"# {code} {text}")
whole = subprocess.run([SOURCE / "script/rooms"], cwd=SOURCE, capture_output=True, text=True, check=False)
rooms = [line.split()[0] for line in whole.stdout.splitlines()]
empty = [room for room in rooms if not list((SOURCE / room).glob("**/*.c"))]
good = whole.returncode == 0 and len(rooms) > 10 and not empty
failed += not good
print(f"{'ok' if good else 'not ok'} {len(CASES) + 1} - the project's rooms are there, and no include points up")
if not good:
    print(f"# {empty} {whole.stderr}")
sys.exit(1 if failed else 0)
