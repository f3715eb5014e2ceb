/* subject: the backend that a test of the contract looks at: RocksDB in a folder, or memory. Each case runs with both.
 * Included by one file of a program, whose `root` is its folder. */
#ifndef TESTS_STORAGE_SUBJECT_H
#define TESTS_STORAGE_SUBJECT_H

#include "storage/memory/memory.h"
#include "storage/rocks/rocks.h"
#include "tests/harness/check.h"
#include "tests/harness/disk_faults.h"

static char root[64];

static struct subject {
    bool in_memory;
    memory_disk *memory;
    disk_state disk; /* RocksDB's */
    char path[96];
    unsigned folders;
    backend *b;
    const backend_ops *ops;
} subject;

static inline void subject_open(void)
{
    char error[BACKEND_ERROR_MAX + 256] = "";
    subject.b = subject.in_memory ? memory_open(subject.memory) : rocks_open(subject.path, false, error, sizeof error);
    if (!subject.b) printf("# %s\n", error);
    CHECK(subject.b);
    subject.ops = subject.b->ops;
}

/* A new, empty one. */
static inline void subject_begin(bool in_memory)
{
    subject.in_memory = in_memory;
    disk = &subject.disk;
    if (in_memory)
        CHECK(subject.memory = memory_disk_new());
    else
        snprintf(subject.path, sizeof subject.path, "%s/%u", root, subject.folders++);
    subject_open();
}

static inline void subject_end(void)
{
    subject.ops->close(subject.b);
    if (subject.in_memory) memory_disk_free(subject.memory);
}

/* The process ends and another one begins. */
static inline void subject_again(void)
{
    subject.ops->close(subject.b);
    subject_open();
}

/* The next commit fails, and may have been written. Then `subject_mend`. */
static inline void subject_break(unsigned how)
{
    static const memory_fault faults[] = {MEMORY_LOSES, MEMORY_APPEARS};
    if (subject.in_memory)
        memory_fail(subject.memory, faults[how % 2], 0, false);
    else
        disk_set(&subject.disk, how % 2 ? DISK_SYNC_FAILS : DISK_FULL);
}

static inline void subject_mend(void)
{
    char error[BACKEND_ERROR_MAX] = "";
    disk_set(&subject.disk, DISK_GOOD);
    bool ok = subject.ops->reopen(subject.b, error, sizeof error);
    if (!ok) printf("# %s\n", error);
    CHECK(ok);
    CHECK(subject.ops->try_write(subject.b, error, sizeof error));
}

static inline store_outcome subject_commit(store_segment *list, int64_t now_ms)
{
    char error[BACKEND_ERROR_MAX] = "";
    store_outcome outcome = subject.ops->commit(subject.b, list, now_ms, error, sizeof error);
    CHECK((outcome == STORE_DONE) == (*error == 0));
    return outcome;
}

static inline run_id subject_id(int64_t ms, uint8_t n)
{
    return run_id_make(ms, (const uint8_t[10]){n, 0, 0, 0, 0, 0, 0, 0, 0, n}, 0, 1);
}

/* ---- The program ---- */

/* Runs the cases with `root` made before them and removed after them. Returns what main returns. */
static inline int subject_run(const check_case *cases, size_t count, int argc, char **argv)
{
    char command[128];
    snprintf(root, sizeof root, "/tmp/stepwell-storage-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, count, argc, argv);
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    return result;
}

static const check_case *subject_contract;
static size_t subject_next; /* twice as many as cases: with RocksDB, with memory */

/* Cases have no arguments: each call is the next of the list. */
static inline void subject_run_next(void)
{
    subject_begin(subject_next % 2 == 1);
    subject_contract[subject_next / 2].fn();
    subject_end();
    subject_next++;
}

/* Runs each case twice, with RocksDB and with memory, and a new backend for each. */
static inline int subject_run_both(const check_case *contract, size_t count, int argc, char **argv)
{
    enum { CASES_MAX = 64 };
    static char names[CASES_MAX * 2][128];
    static check_case cases[CASES_MAX * 2];
    CHECK(count <= CASES_MAX);
    subject_contract = contract;
    for (size_t i = 0; i < count * 2; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s", i % 2 ? "memory" : "rocks", contract[i / 2].name);
        cases[i] = (check_case){names[i], subject_run_next};
        if (argc > 1 && strcmp(argv[1], names[i]) == 0) subject_next = i;
    }
    return subject_run(cases, count * 2, argc, argv);
}

#endif
