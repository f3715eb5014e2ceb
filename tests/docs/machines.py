"""The tables of docs/internals/run.md are those by which the runtime decides what a run does next.

Usage: machines.py PROGRAM PAGE [--write]. PROGRAM is that of machines.c; --write puts its tables into the page. In the
page a table stands between <!-- table: NAME --> and <!-- end -->. Reports TAP."""
import re
import subprocess
import sys

program, page = sys.argv[1:3]
printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
tables = dict(block.split("\n", 1) for block in printed.strip("\n").split("\n\n"))
with open(page, encoding="utf-8") as file:
    text = file.read()
PLACE = re.compile(r"(?<=<!-- table: )(\w+) -->\n(.*?)(?=<!-- end -->)", re.S)

if "--write" in sys.argv:
    with open(page, "w", encoding="utf-8") as file:
        file.write(PLACE.sub(lambda place: f"{place[1]} -->\n{tables[place[1]]}\n", text))
    sys.exit()

shown = {name: table for name, table in PLACE.findall(text)}
print(f"1..{len(tables)}")
for n, (name, table) in enumerate(tables.items(), 1):
    good = shown.get(name, "").strip() == table.strip()
    print(f"{'ok' if good else 'not ok'} {n} - the table of a {name}")
    if not good:
        print(f"# write it anew: python3 tests/docs/machines.py {program} {page} --write")
sys.exit(0 if all(shown.get(n, "").strip() == t.strip() for n, t in tables.items()) else 1)
