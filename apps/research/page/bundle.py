"""Puts the page into the program: bundle.py FILES.c FILES.d

esbuild makes one script of app.js and what it imports, and one style sheet; they, the other files of this folder's list and the
licences of the npm packages in the bundle become arrays in FILES.c (apps/research/embedded.h). FILES.d tells ninja what they
were made of. The packages are those of package-lock.json, which `script/setup page` installs."""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
MODULES = HERE / "node_modules"
LOCK = HERE / "package-lock.json"
BUNDLED = ("app.js", "style.css")
AS_THEY_ARE = {"index.html": "text/html; charset=utf-8", "icon.svg": "image/svg+xml"}
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def esbuild():
    installed = MODULES / ".installed"
    if not installed.exists() or installed.read_bytes() != LOCK.read_bytes():
        sys.exit("The npm packages of the page are missing, or not those of its package-lock.json: run script/setup page")
    programs = sorted(MODULES.glob("@esbuild/*/bin/esbuild"))  # npm installs the one for this machine
    if len(programs) != 1:
        sys.exit(f"npm has installed {len(programs)} esbuild programs in {MODULES}: one for this machine is needed")
    return programs[0]


def bundle(folder):
    """Writes BUNDLED into folder; returns the sources' paths."""
    meta = folder / "meta.json"
    command = [esbuild(), *BUNDLED, "--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=eof",
               "--log-level=warning", f"--metafile={meta}", f"--outdir={folder}"]
    if subprocess.run(command, cwd=HERE, check=False).returncode != 0:
        sys.exit("esbuild could not make the page")
    return [HERE / name for name in json.loads(meta.read_text())["inputs"]]


def licences(sources):
    """The licence of each package that is in the bundle: they ask to be passed on with it."""
    packages = sorted({path.relative_to(MODULES).parts[0] for path in sources if MODULES in path.parents})
    texts = []
    for name in packages:
        version = json.loads((MODULES / name / "package.json").read_text())["version"]
        files = sorted((MODULES / name).glob("LICEN[CS]E*"))
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


def array(name, data):
    return f"static const unsigned char {name}[] = {{{','.join(map(str, data))}}};\n"


def program(files):
    """C text; files: {name: (type, bytes)}."""
    text = '/* Made by bundle.py. */\n#include "apps/research/embedded.h"\n\n'
    rows = ""
    for i, (name, (kind, data)) in enumerate(files.items()):
        text += array(f"file_{i}", data)
        path = "/" if name == "index.html" else "/" + name
        tag = hashlib.sha256(data).hexdigest()[:16]
        rows += f'    {{"GET {path}", "{kind}", "\\"{tag}\\"", file_{i}, sizeof file_{i}}},\n'
    text += f'const char embedded_policy[] = "{policy(files["index.html"][1])}";\n'
    return (f"{text}\nconst embedded_file embedded_files[] = {{\n{rows}}};\n"
            "const size_t embedded_file_count = sizeof embedded_files / sizeof embedded_files[0];\n")


def main(output, depfile):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        sources = bundle(folder)
        files = {name: (kind, (HERE / name).read_bytes()) for name, kind in AS_THEY_ARE.items()}
        for name in BUNDLED:
            files[name] = (TYPES[pathlib.Path(name).suffix], (folder / name).read_bytes())
    texts = licences(sources)
    if texts:
        files["licences.txt"] = ("text/plain; charset=utf-8", texts)
    output.write_text(program(files))
    made_of = [pathlib.Path(__file__), LOCK, *(HERE / name for name in AS_THEY_ARE), *sources]
    depfile.write_text(f"{output}: {' '.join(str(path).replace(' ', chr(92) + ' ') for path in made_of)}\n")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
