"""Draws docs/bench/*.svg from what script/bench --json wrote.   python3 bench/plot.py RESULTS.json FOLDER"""
import html
import json
import math
import pathlib
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 20, 40, 70
COLOURS = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df"]


class Axis:
    """Maps values to pixels; logarithmic or from 0, up to a round number unless it is tight."""

    def __init__(self, values, low_px, high_px, log, tight=False):
        self.log, self.low_px, self.high_px = log, low_px, high_px
        most = max(values)
        if log:
            self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(most))
            self.high += self.high == self.low
            self.ticks = [10**e for e in range(self.low, self.high + 1)]
        else:
            step = 10 ** math.floor(math.log10(most or 1))
            step = next(s for s in (step / 5, step / 2, step, step * 2) if most / s <= 6)
            self.low, self.high = 0, math.ceil(most / step) * step or 1
            self.ticks = [step * i for i in range(round(self.high / step) + 1)]
        if tight:
            self.high = math.log10(most) if log else most
            self.ticks = [v for v in self.ticks if v <= most]
        self.high += self.high == self.low  # a single value

    def __call__(self, value):
        v = math.log10(value) if self.log else value
        return self.low_px + (v - self.low) / (self.high - self.low) * (self.high_px - self.low_px)


def short(v):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if v >= size:
            return f"{v / size:g}{unit}"
    return f"{v:g}"


def chart(path, title, x_name, y_name, lines, log_x=False, log_y=False):
    """lines: {name: [(x, y), ...]}; one without points is left out."""
    lines = {n: sorted(p) for n, p in lines.items() if p}
    if not lines:
        return
    xs, ys = ([p[i] for points in lines.values() for p in points] for i in (0, 1))
    x, y = Axis(xs, LEFT, WIDTH - RIGHT - 20, log_x, tight=True), Axis(ys, HEIGHT - BOTTOM, TOP, log_y)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{WIDTH / 2}" y="22" text-anchor="middle" font-size="15">{html.escape(title)}</text>',
    ]
    for v in y.ticks:
        out.append(
            f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{short(v)}</text>'
        )
    for v in sorted(set(xs)) if len(set(xs)) <= 8 else x.ticks:
        out.append(f'<text x="{x(v):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{v:,.0f}</text>')
    out.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 34}" '
        f'text-anchor="middle">{html.escape(x_name)}</text>'
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{html.escape(y_name)}</text>'
    )
    for i, (name, points) in enumerate(lines.items()):
        colour, at = COLOURS[i % len(COLOURS)], LEFT + i * (WIDTH - LEFT - RIGHT) / len(lines)
        path_text = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
        out.append(f'<path d="M{path_text}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [
            f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in points if len(points) <= 40
        ]
        out.append(
            f'<rect x="{at:.0f}" y="{HEIGHT - 22}" width="12" height="12" fill="{colour}"/>'
            f'<text x="{at + 17:.0f}" y="{HEIGHT - 12}">{html.escape(name)}</text>'
        )
    path.write_text("\n".join(out + ["</svg>\n"]))
    print(path)


def bars(path, title, y_name, groups):
    """groups: {name: {bar: value}}; a bar has its colour in all groups, and its value above it."""
    names = list(dict.fromkeys(bar for of in groups.values() for bar in of))
    if not names:
        return
    y = Axis([v for of in groups.values() for v in of.values()], HEIGHT - BOTTOM, TOP, False)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{WIDTH / 2}" y="22" text-anchor="middle" font-size="15">{html.escape(title)}</text>',
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{html.escape(y_name)}</text>',
    ]
    for v in y.ticks:
        out.append(
            f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{short(v)}</text>'
        )
    wide = (WIDTH - LEFT - RIGHT) / len(groups)
    bar_wide = wide * 0.8 / len(names)
    for g, (group, of) in enumerate(groups.items()):
        left = LEFT + wide * (g + 0.1)
        out.append(
            f'<text x="{left + wide * 0.4:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{html.escape(group)}</text>"
        )
        for name in of:
            x, top = left + bar_wide * names.index(name), y(of[name])
            out.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar_wide - 2:.1f}" height="{HEIGHT - BOTTOM - top:.1f}" '
                f'fill="{COLOURS[names.index(name) % len(COLOURS)]}"/>'
                f'<text x="{x + bar_wide / 2 - 1:.1f}" y="{top - 4:.1f}" text-anchor="middle" font-size="9">'
                f"{of[name]:,.0f}</text>"
            )
    for i, name in enumerate(names):
        at = LEFT + i * (WIDTH - LEFT - RIGHT) / len(names)
        out.append(
            f'<rect x="{at:.0f}" y="{HEIGHT - 22}" width="12" height="12" fill="{COLOURS[i % len(COLOURS)]}"/>'
            f'<text x="{at + 17:.0f}" y="{HEIGHT - 12}">{html.escape(name)}</text>'
        )
    path.write_text("\n".join(out + ["</svg>\n"]))
    print(path)


def draw_json(results, folder):
    for verb in ("read", "write"):
        rates = {
            r["name"].removeprefix(verb + " "): {"Stepwell": r["stepwell"]["MBps"], **r["floor"]}
            for r in results
            if r["goal"] == "P10" and r["name"].startswith(verb + " ") and "MBps" in r["stepwell"]
        }
        bars(folder / f"json-{verb}.svg", f"JSON, to {verb}", "MB/s of processor time", rates)


def main(results, folder):
    def points(series, value, side="stepwell"):
        return [
            (r["x"], r[side][value]) for r in results if r.get("series") == series and r.get(side) and value in r[side]
        ]

    def both(value):
        return {
            "one durable step": points("one", value),
            "durable ceiling": points("one", value, "floor"),
            "plain route": points("plain", value),
            "plain floor": points("plain", value, "floor"),
        }

    folder.mkdir(parents=True, exist_ok=True)
    draw_json(results, folder)
    chart(
        folder / "throughput.svg",
        "Throughput against concurrency",
        "connections",
        "requests/s",
        both("rps"),
        log_x=True,
    )
    chart(folder / "p99.svg", "p99 against concurrency", "connections", "ms", both("p99_ms"), log_x=True, log_y=True)
    chart(
        folder / "streams.svg",
        "How late chunks of event streams come",
        "streams",
        "ms",
        {
            f"{name} {q}": points("streams", f"{q}_ms", side)
            for name, side in (("Stepwell", "stepwell"), ("bare server", "floor"))
            for q in ("p50", "p99")
        },
        log_x=True,
        log_y=True,
    )
    memory = {
        f"{name} runs": [(r["x"], r["kib"] / 1024) for r in results if r.get("series") == key]
        for name, key in (("waiting", "waiting"),)
    }
    chart(
        folder / "memory.svg",
        "Memory against runs in flight",
        "runs that wait on a call",
        "MiB",
        {**memory, "raw curl calls": [(x, x * kib / 1024) for x, kib in points("waiting", "KiB_each", "floor")]},
    )
    chart(
        folder / "recovery.svg",
        "Recovery against the size of the journal",
        "unfinished runs of 5 steps",
        "s",
        {"all resumed": points("recovery", "resumed_s"), "all finished": points("recovery", "finished_s")},
    )
    for r in results:
        if r.get("series") == "tail":
            chart(
                folder / "tail.svg",
                "Stalls: windows of 100 ms with a request over so many ms",
                "ms",
                "windows",
                dict(zip(("one durable step", "durable ceiling"), r["rows"])),
                log_x=True,
            )
        if r.get("series") == "long":
            chart(
                folder / "long.svg",
                "Throughput of the long run",
                "s",
                "requests/s",
                {"one durable step": [(row["s"], row["rps"]) for row in r["rows"]]},
            )
            chart(
                folder / "long-disk.svg",
                "Disk and memory of the long run",
                "s",
                "MB",
                {
                    "disk": [(row["s"], row["disk_MB"]) for row in r["rows"]],
                    "resident": [(row["s"], row["MiB"]) for row in r["rows"]],
                },
            )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(json.loads(pathlib.Path(sys.argv[1]).read_text())["results"], pathlib.Path(sys.argv[2]))
