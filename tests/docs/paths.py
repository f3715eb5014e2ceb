"""Every file that a page or a comment names is there: paths in backticks, links between pages, paths in code.

Usage: paths.py ROOT. CHANGELOG.md tells of files that have gone, and is left out. Reports TAP."""
import glob
import os
import re
import subprocess
import sys

root = sys.argv[1]
FOLDERS = "apps bench coro dist docs examples http runtime script storage tests".split()
IN_BACKTICKS = re.compile(r"`((?:%s)/[\w./{},*-]*)`" % "|".join(FOLDERS))
IN_CODE = re.compile(r"\b((?:%s)/[\w/-]+\.(?:c|h|md|py|mjs|sh))\b" % "|".join(FOLDERS))
CODE_SPAN = re.compile(r"^```.*?^```$|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#:\s]+)(?:#[^)]*)?\)")


def alternatives(path):
    """runtime/supervise/{worker,trial}.c are two files."""
    found = re.match(r"(.*)\{([^}]*)\}(.*)", path)
    if not found:
        return [path]
    return [found[1] + middle + found[3] for middle in found[2].split(",")]


def is_there(path):
    """NAME stands for what a reader chooses, and build/ for the folder of the build."""
    return "NAME" in path or bool(glob.glob(os.path.join(root, path)))


def missing(page):
    with open(os.path.join(root, page), encoding="utf-8") as file:
        text = file.read()
    named = [path for written in IN_BACKTICKS.findall(text) for path in alternatives(written)]
    links = LINK.findall(CODE_SPAN.sub("", text))
    linked = [os.path.normpath(os.path.join(os.path.dirname(page), link)) for link in links]
    return sorted({path for path in named + linked if not is_there(path)})


def missing_in_code(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return sorted({f"{named} ({path})" for named in IN_CODE.findall(file.read()) if not is_there(named)})


def listed(*patterns):
    done = subprocess.run(["git", "-C", root, "ls-files", *patterns], capture_output=True, text=True, check=True)
    return done.stdout.split()


def report(number, name, gone):
    print(f"{'not ok' if gone else 'ok'} {number} - {name}")
    for path in gone:
        print(f"# not there: {path}")
    return bool(gone)


pages = [page for page in listed("*.md") if page != "CHANGELOG.md"]
code = listed("*.c", "*.h", "*.hpp")
print(f"1..{len(pages) + 1}")
failed = sum([report(number, page, missing(page)) for number, page in enumerate(pages, 1)])
failed += report(len(pages) + 1, "comments", [gone for path in code for gone in missing_in_code(path)])
sys.exit(1 if failed or not pages or not code else 0)
