"""Puts a page into a C file: bundle.py FOLDER HEADER NAME FILES.c FILES.d

FOLDER has app.js, style.css, index.html, icon.svg and the package-lock.json of the npm packages that they import.
esbuild makes one script of app.js and what it imports, and one style sheet; they, the other files and the licences of
the npm packages in the bundle become arrays in FILES.c, of the types that HEADER declares: NAME_file NAME_files[],
NAME_file_count and NAME_policy (apps/research/embedded.h, runtime/admin/console.h). FILES.d tells ninja what they were
made of."""
import gzip
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

BUNDLED = ("app.js", "style.css")
AS_THEY_ARE = {"index.html": "text/html; charset=utf-8", "icon.svg": "image/svg+xml"}
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = {"apps/research/page": "page", "console": "console"}  # what script/setup calls them


def esbuild(page):
    """The program that npm has installed for this machine."""
    installed = page / "node_modules" / ".installed"
    if not installed.exists() or installed.read_bytes() != (page / "package-lock.json").read_bytes():
        name = page.relative_to(ROOT).as_posix()
        sys.exit(f"The npm packages of {name} are missing, or not those of its package-lock.json: "
                 f"run script/setup {PARTS[name]}")
    programs = sorted((page / "node_modules").glob("@esbuild/*/bin/esbuild"))
    if len(programs) != 1:
        sys.exit(f"npm has installed {len(programs)} esbuild programs in {page}: one for this machine is needed")
    return programs[0]


def bundle(page, folder):
    """Writes BUNDLED into folder; returns the sources' paths."""
    meta = folder / "meta.json"
    command = [esbuild(page), *BUNDLED, "--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8",
               "--legal-comments=eof", "--log-level=warning", f"--metafile={meta}", f"--outdir={folder}"]
    if subprocess.run(command, cwd=page, check=False).returncode != 0:
        sys.exit(f"esbuild could not make the page of {page}")
    return [page / name for name in json.loads(meta.read_text())["inputs"]]


def licences(page, sources):
    """The licence of each package that is in the bundle: they ask to be passed on with it."""
    modules = page / "node_modules"
    packages = sorted({path.relative_to(modules).parts[0] for path in sources if modules in path.parents})
    texts = []
    for name in packages:
        version = json.loads((modules / name / "package.json").read_text())["version"]
        files = sorted((modules / name).glob("LICEN[CS]E*"))
        if not files:
            sys.exit(f"the npm package {name} has no licence file")
        texts += [f"{name} {version}\n\n", *(file.read_text() + "\n" for file in files)]
    return "".join(texts).encode()


def policy(page):
    """The page's own policy as a header, which can also say who may show the page in a frame: nobody."""
    own = re.search(rb'<meta http-equiv="Content-Security-Policy" content="([^"\\]*)">', page)
    if not own:
        sys.exit("index.html has no Content-Security-Policy")
    return own.group(1).decode() + "; frame-ancestors 'none'"


def program(header, name, files):
    """C text; files: {name: (type, bytes)}."""
    text = f'/* Made by bundle.py. */\n#include "{header}"\n\n'
    rows = ""
    for i, (path, (kind, data)) in enumerate(files.items()):
        text += f"static const unsigned char file_{i}[] = {{{','.join(map(str, data))}}};\n"
        route = "GET /" if path == "index.html" else "GET /" + path
        tag = hashlib.sha256(data).hexdigest()[:16]
        rows += f'    {{"{route}", "{kind}", "\\"{tag}\\"", file_{i}, sizeof file_{i}}},\n'
    text += f'const char {name}_policy[] = "{policy(files["index.html"][1])}";\n'
    return (f"{text}\nconst {name}_file {name}_files[] = {{\n{rows}}};\n"
            f"const size_t {name}_file_count = sizeof {name}_files / sizeof {name}_files[0];\n")


def main(page, header, name, output, depfile):
    page, output = pathlib.Path(page).resolve(), pathlib.Path(output)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        sources = bundle(page, folder)
        files = {file: (kind, (page / file).read_bytes()) for file, kind in AS_THEY_ARE.items()}
        for file in BUNDLED:
            files[file] = (TYPES[pathlib.Path(file).suffix], (folder / file).read_bytes())
    for file in BUNDLED:
        size = len(files[file][1])
        print(f"{page.relative_to(ROOT)}/{file}: {size:,} bytes, {len(gzip.compress(files[file][1], 9)):,} with gzip")
    texts = licences(page, sources)
    if texts:
        files["licences.txt"] = ("text/plain; charset=utf-8", texts)
    output.write_text(program(header, name, files))
    made_of = [pathlib.Path(__file__), page / "package-lock.json", *(page / file for file in AS_THEY_ARE), *sources]
    names = " ".join(str(path).replace(" ", chr(92) + " ") for path in made_of)
    pathlib.Path(depfile).write_text(f"{output}: {names}\n")


main(*sys.argv[1:])
