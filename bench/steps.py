"""What a choice costs, and the hash of an input: each beside the same without it."""
import re

from measure import BENCH, PAIRS, args, folder, middle, output, pairs, report, service, wrk


def bench_choice():
    """A value of sw_now is on disk before the step after it begins: one commit more than the step alone."""
    with folder() as data, service(data) as (url, _):
        for c in (1, 16, 64, 256):
            pairs(
                "-",
                "one step after sw_now; floor: without",
                lambda: wrk(url + "/choice", c),
                lambda: wrk(url + "/one", c),
                c,
                "p50_ms" if c == 1 else "rps",
                series="choice",
            )


def bench_inputs():
    rows = [
        [
            re.match(r"(.+): bytes=(\d+) ns=(\d+) floor=(\d+)", line).groups()
            for line in output(BENCH / "hash_input").splitlines()
        ]
        for _ in range(PAIRS)
    ]
    for shape in zip(*rows):
        length = float(shape[0][1])
        ours = middle([{"ns_a_byte": float(r[2]) / length, "us": float(r[2]) / 1000} for r in shape])
        floor = middle([{"ns_a_byte": float(r[3]) / length, "us": float(r[3]) / 1000} for r in shape])
        report("-", f"hash of {shape[0][0]}", ours, floor, ours["us"] / floor["us"], "floor: memcpy of as many bytes")
    with folder() as data, service(data) as (url, _):
        for name, path in (("one string", "/input?of=string"), ("strings of 64 bytes", "/input?of=strings")):
            for c in (1,) if args.quick else (1, 64):
                pairs(
                    "-",
                    f"a step given 4 MiB in {name}; floor: 1 KiB",
                    lambda: wrk(url + path, c),
                    lambda: wrk(url + "/input", c),
                    c,
                    "p50_ms" if c == 1 else "rps",
                    series="inputs",
                )


PARTS = {"choice": bench_choice, "inputs": bench_inputs}
