"""What the matrix measured: kept in measured.json, and written as a table into docs/http.md.

Usage: table.py, to write the table of measured.json again."""
import json
import os

import known
from outside import REDIRECTS_MAX

MEASURED = os.path.join(known.HERE, "measured.json")
PAGE = os.path.join(known.HERE, "../../docs/http.md")
BEGIN, END = "<!-- script/clients writes from here -->\n", "<!-- to here -->\n"
HEAD = (
    "client",
    "to set",
    "redirects it follows",
    "waits for a head",
    "a round",
    "a run may take",
    "for longer runs",
    "when a run fails",
    "asks again by itself",
)

ALIKE = ("redirects", "hold_ms", "runs_that_fail", "asks_again")  # what one version may do otherwise than another

NOT_RUN = (
    ("Firefox", "", "20", "5 min, as documented", "4 min", "80 min", "read the stream"),
    ("others", "", "", "", "55 s", "redirects × 55 s", "a stream, or `Prefer: respond-async` and ask the URL again"),
    (
        "each behind a proxy",
        "",
        "",
        "",
        "45 s",
        "redirects × 45 s",
        "a stream, or `Prefer: respond-async` and ask the URL again",
    ),
)


def load():
    try:
        with open(MEASURED, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def same(old, new):
    """Whether they do the same, as far as both were asked."""
    return all(old[what] == new[what] for what in ALIKE if what in old and what in new)


def newer(old, new):
    """What is known of a client now. Versions that do the same are told together, and what one of them waited for
    longer stays."""
    if not old or not same(old, new):
        return new
    together = {**old, **new, "versions": sorted({*old["versions"], *new["versions"]}, key=in_order)}
    for name, wait in old.items():
        if name.startswith("waits_") and not together[name]["gave_up"] and wait["s"] > together[name]["s"]:
            together[name] = wait
    return together


def in_order(version):
    return [int(part) for part in version.split(".")]


def write(measured):
    all_of_them = load()
    for name, new in measured.items():
        all_of_them[name] = newer(all_of_them.get(name, {}), new)
    with open(MEASURED, "w", encoding="utf-8") as file:
        json.dump(all_of_them, file, indent=1, sort_keys=True)
        file.write("\n")
    write_page()


def time_of(seconds):
    """In words, rounded down: it is a promise."""
    if seconds < 120 or seconds < 300 and seconds % 60:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds / 3600:.1f}".removesuffix(".0") + " h"


def wait_of(client, measured):
    """How long it waits with what `to set` says: as measured, and as documented where no run was so patient."""
    wait = measured.get("waits_follow", measured.get("waits_plain"))
    if not wait:
        return f"{client.documented}, as documented"
    if wait["gave_up"]:
        return time_of(wait["s"])
    beyond = f"over {time_of(wait['s'])}"
    return beyond if wait["s"] * 1000 > measured["hold_ms"] else f"{beyond}; {client.documented}, as documented"


def takes(client, measured):
    if client.total_s:
        return time_of(client.total_s)
    if measured["redirects"] >= REDIRECTS_MAX:
        return "any time"
    return time_of(measured["redirects"] * measured["hold_ms"] // 1000)


def failing(client, measured):
    runs = measured.get("runs_that_fail", 1)
    return client.failing and (f"{runs} runs: " if runs > 1 else "no body: ") + client.failing


def cells(client, measured):
    name, again = f"{client.name} {', '.join(measured['versions'])}", ", ".join(measured.get("asks_again", []))
    if client.streams:
        return name, client.follow, "", "", "", "any time", "", "", again
    redirects = measured["redirects"]
    return (
        name,
        client.follow,
        "any number" if redirects >= REDIRECTS_MAX else str(redirects),
        wait_of(client, measured),
        time_of(measured["hold_ms"] // 1000),
        takes(client, measured),
        client.longer,
        failing(client, measured),
        again,
    )


def rows():
    measured = load()
    yield from (HEAD, ["---"] * len(HEAD))
    yield from (cells(client, measured[client.name]) for client in known.CLIENTS if client.name in measured)
    yield from ((*row, "", "") for row in NOT_RUN)


def text():
    return "".join("|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|\n" for row in rows()).replace(
        " --- ", "---"
    )


def parts_of_page():
    with open(PAGE, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    table, after = rest.split(END)
    return before, table, after


def write_page():
    before, _, after = parts_of_page()
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + text() + END + after)


def differences(measured):
    """What the page has otherwise than the clients of its versions just did, or than measured.json."""
    known_before = load()
    for name, new in measured.items():
        old = known_before.get(name, {})
        if new["versions"][0] in old.get("versions", ()):
            yield from (
                f"{name}: {what} is {new[what]}, not {old.get(what)}: script/clients"
                for what in ALIKE
                if what in new and new[what] != old.get(what)
            )
    if parts_of_page()[1] != text():
        yield "its table is not that of measured.json: python3 tests/clients/table.py"


if __name__ == "__main__":
    write_page()
