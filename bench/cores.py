"""The part `cores` of script/bench: what one journal thread does for each run, by the size of its commits, and so how
many runs a second one thread can commit, however many cores the loops have."""
import re
import shutil
import statistics
import subprocess
import tempfile

from measure import BENCH, PAIRS, args, folder, output, report

PROGRAM = BENCH / "journal_cost"
RUNS = 5000 if args.quick else 100000
# In callgrind's words, of functions that do not call one another.
SHARES = {
    "memtable": r"WriteBatchInternal::InsertInto\(rocksdb::WriteThread::WriteGroup",
    "log": r"DBImpl::WriteToWAL\(rocksdb::WriteThread::WriteGroup",
    "batch": r":rocksdb_writebatch_put_cf ",
}


def spent_ns(batch):
    commits = max(4, min(RUNS // batch, 2000))
    with folder() as data:
        return float(re.search(r"ns_each ([\d.]+)", output(PROGRAM, data, batch, commits))[1])


def inclusive(annotated, pattern):
    for line in annotated.splitlines():
        found = re.match(r"\s*([\d,]+) \([^)]*\)\s+(.*)", line)
        if found and re.search(pattern, found[2]):
            return int(found[1].replace(",", ""))
    return 0


def instructions(batch):
    """Of the journal's work for each run; empty where there is no callgrind."""
    commits = max(3, min(3000 // batch, 60))
    if not shutil.which("valgrind"):
        return {}
    with folder() as data, tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=store_hand_write", f"--callgrind-out-file={out.name}"]
            + ["-q", str(PROGRAM), str(data), str(batch), str(commits)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        annotated = output("callgrind_annotate", "--inclusive=yes", "--threshold=100", out.name)
    runs = batch * commits
    counts = {name: inclusive(annotated, pattern) / runs for name, pattern in SHARES.items()}
    return {"instructions": inclusive(annotated, "PROGRAM TOTALS") / runs, **counts}


def bench_cores():
    """P9: the limit of one journal thread."""
    for batch in (1, 16, 64, 256, 1024):
        ns = statistics.median(spent_ns(batch) for _ in range(PAIRS))
        report(
            "P9",
            f"the journal's work for a run, commits of {batch}",
            {"ns": ns, **instructions(batch)},
            None,
            None,
            f"processor time, the kernel's too; one thread commits {1e9 / ns:,.0f} runs/s at most",
        )


PARTS = {"cores": bench_cores}
