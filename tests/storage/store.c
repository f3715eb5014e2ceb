/* The store: what was committed is there, whoever dies; what cannot be written comes back with an error; what is to be
 * forgotten is. Some tests run in a child process: this program, started again with "--child" and the case's name. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/store_desk.h"

static char self[4096];

/* ---- Appending and reading ---- */

static void test_journals(void)
{
    desk d;
    store_options o = options_for("journals");
    run_id a = id_of(1000, 1), b = id_of(2000, 2), c = id_of(3000, 3);
    open_desk(&d, &o);
    put(&d, a, 0, STORE_LIVE_SET, 5, "one,");
    put(&d, b, 0, STORE_LIVE_CLEAR, 0, "alone");
    put(&d, a, 1, STORE_LIVE_UNCHANGED, 0, "two,");
    put(&d, a, 300, STORE_LIVE_UNCHANGED, 0, "three");
    CHECK(load(&d, a) && got.j.live);
    CHECK_STR(got.data, "one,two,three");
    CHECK_INT(got.j.due_ms, 5);
    CHECK_INT(got.j.seq_next, 301);
    CHECK(load(&d, b) && !got.j.live);
    CHECK(!load(&d, c) && !got.j.live);
    put(&d, c, 0, STORE_LIVE_SET, INT64_MAX, "c");
    CHECK(store_scan_live(d.port, &(store_live_range){NULL, 64, 0, 1, NULL}, on_rows, NULL));
    wait_done(&d);
    CHECK(got.count == 2 && got.end && run_id_equal(&got.rows[0].run, &a) && got.rows[1].due_ms == INT64_MAX);
    CHECK(store_scan_live(d.port, &(store_live_range){NULL, 1, 0, 1, NULL}, on_rows, NULL));
    wait_done(&d);
    CHECK(got.count == 1 && !got.end);
    CHECK(store_scan_live(d.port, &(store_live_range){&a, 64, 0, 1, NULL}, on_rows, NULL));
    wait_done(&d);
    CHECK(got.count == 1 && got.end && run_id_equal(&got.rows[0].run, &c));
    CHECK(store_list(d.port, NULL, 2, on_ids, NULL));
    wait_done(&d);
    CHECK(got.count == 2 && run_id_equal(&got.ids[0], &c) && run_id_equal(&got.ids[1], &b));
    CHECK(store_list(d.port, &b, 64, on_ids, NULL));
    wait_done(&d);
    CHECK(got.count == 1 && run_id_equal(&got.ids[0], &a));
    put(&d, a, 400, STORE_LIVE_CLEAR, 0, "!");
    CHECK(load(&d, a) && !got.j.live);
    CHECK(store_delete(d.port, &a, on_deleted, NULL));
    wait_done(&d);
    CHECK(!load(&d, a));
    close_desk(&d);
    open_desk(&d, &o);
    CHECK(load(&d, b) && load(&d, c) && got.j.live);
    close_desk(&d);
}

static void test_one_commit(void)
{
    enum { MANY = 5000 };
    desk d;
    static store_segment all[MANY];
    static char data[MANY][16];
    store_options o = options_for("many");
    store_stats before, after;
    open_desk(&d, &o);
    store_stats_get(d.store, &before);
    for (int i = 0; i < MANY; i++) {
        run_id id = id_of(now_ms(), (uint8_t)i);
        memcpy(id.bytes + 8, &i, sizeof i);
        snprintf(data[i], sizeof data[i], "run %d", i);
        all[i] = (store_segment){.run = id,
                                 .live = STORE_LIVE_CLEAR,
                                 .retain_ms = -1,
                                 .data = data[i],
                                 .len = strlen(data[i]),
                                 .next = i + 1 < MANY ? &all[i + 1] : NULL};
    }
    append(&d, all, MANY);
    store_stats_get(d.store, &after);
    CHECK_INT(d.committed, MANY);
    CHECK_INT(after.segments - before.segments, MANY);
    CHECK_INT(after.commits - before.commits, 1);
    CHECK_INT(after.queue_bytes, 0);
    CHECK(load(&d, all[4321].run));
    CHECK_STR(got.data, "run 4321");
    close_desk(&d);
}

static void test_identity(void)
{
    desk d;
    char node[64];
    uint8_t secret[32];
    store_options o = options_for("identity");
    open_desk(&d, &o);
    CHECK_INT(store_epoch(d.store), 1);
    snprintf(node, sizeof node, "%s", store_node(d.store));
    memcpy(secret, store_secret(d.store), sizeof secret);
    CHECK_INT(strlen(node), 32);
    close_desk(&d);
    open_desk(&d, &o);
    CHECK_INT(store_epoch(d.store), 2);
    CHECK_STR(store_node(d.store), node);
    CHECK(memcmp(secret, store_secret(d.store), sizeof secret) == 0);
    char file[256];
    struct stat st;
    snprintf(file, sizeof file, "%s/secret", o.path);
    CHECK(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600);
    close_desk(&d);
}

static void test_busy(void)
{
    desk d;
    store_options o = options_for("busy");
    o.queue_bytes_max = 1 << 20;
    static char large[2 << 20];
    open_desk(&d, &o);
    CHECK(!store_busy(d.port, 0));
    store_segment s = {
        .run = id_of(1, 1), .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = large, .len = sizeof large};
    store_append(d.port, &s);
    store_stats now;
    store_stats_get(d.store, &now);
    CHECK(store_busy(d.port, 0) || now.commits > 0);
    wait_for(&d, 1);
    CHECK(!store_busy(d.port, 0));
    close_desk(&d);
}

/* ---- Refusals ---- */

static void refused(const store_options *o, const char *why)
{
    store *s = store_open(o, error, sizeof error);
    if (s || !strstr(error, why)) printf("# %s\n", s ? "opened" : error);
    CHECK(!s);
    CHECK(strstr(error, why));
}

static pid_t start_child(const char *name, const char *path, int *out);
static void limit_files(rlim_t bytes);

static void test_other_process(void)
{
    store_options o = options_for("other");
    char expected[64];
    int out, status;
    uint32_t number;
    pid_t pid = start_child("append", o.path, &out);
    CHECK(read(out, &number, sizeof number) == sizeof number);
    snprintf(expected, sizeof expected, "in use by process %ld;", (long)pid);
    refused(&o, expected);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    close(out);
    desk d; /* its lock died with it */
    open_desk(&d, &o);
    close_desk(&d);
}

/* The tests may run as root, to whom every folder is writable: no file may grow, instead. */
static void test_unwritable(void)
{
    desk d;
    store_options o = options_for("unwritable");
    open_desk(&d, &o);
    close_desk(&d);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(0);
    store *s = store_open(&o, error, sizeof error);
    limit_files(RLIM_INFINITY);
    CHECK(!s);
    CHECK(strstr(error, "cannot be written") && strstr(error, o.path));
    open_desk(&d, &o);
    close_desk(&d);
}

static void write_file(const char *folder, const char *name, const char *content)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(content, f) >= 0 && fclose(f) == 0);
}

static void test_refusals(void)
{
    desk d;
    store_options o = options_for("refusals");
    refused(&(store_options){.path = "/nonexistent/folder"}, "parent folder");
    refused(&(store_options){.path = "/dev/null"}, "not a folder");
    open_desk(&d, &o);
    refused(&o, "in use by process");
    close_desk(&d);
    write_file(o.path, "FORMAT", "2\n");
    refused(&o, "format 2");
    write_file(o.path, "FORMAT", "one\n");
    refused(&o, "FORMAT is damaged");
    write_file(o.path, "FORMAT", "1\n");
    write_file(o.path, "secret", "short");
    refused(&o, "secret is damaged");
    CHECK(truncate(root, 0) != 0);
    char current[256];
    snprintf(current, sizeof current, "%s/journal", o.path);
    write_file(current, "CURRENT", "MANIFEST-nothing\n");
    refused(&o, "journal/MANIFEST-nothing cannot be read");
}

/* What RocksDB says of damage has "block" in it: it must not be taken for a lock. */
static void test_damage(void)
{
    desk d;
    char command[512];
    store_options o = options_for("damage");
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "in a log");
    close_desk(&d);
    open_desk(&d, &o); /* writes the log's content to table files */
    close_desk(&d);
    snprintf(command, sizeof command,
             "for f in %s/journal/*.sst; do printf XXXXXXXX | dd of=$f bs=1 seek=20 conv=notrunc 2>/dev/null; done",
             o.path);
    CHECK_INT(system(command), 0);
    refused(&o, "cannot be opened: Corruption");
    CHECK(strstr(error, o.path) && !strstr(error, "in use"));
}

/* ---- Retention ---- */

static size_t runs_kept(desk *d)
{
    CHECK(store_list(d->port, NULL, 64, on_ids, NULL));
    wait_done(d);
    return got.count;
}

static void wait_kept(desk *d, size_t count)
{
    for (int i = 0; i < 3000 && runs_kept(d) != count; i++) usleep(20000);
    CHECK_INT(runs_kept(d), count);
}

static void test_age(void)
{
    desk d;
    store_options o = options_for("age");
    o.retain_ms = 400;
    int64_t now = now_ms();
    open_desk(&d, &o);
    end_run(&d, id_of(now - 5000, 1), -1, false);      /* old: goes */
    end_run(&d, id_of(now - 5000, 2), 3600000, false); /* its own, longer time */
    end_run(&d, id_of(now - 5000, 3), 3600000, true);
    put(&d, id_of(now - 9000, 4), 0, STORE_LIVE_SET, 0, "still runs");
    end_run(&d, id_of(now, 5), 0, false);           /* at once */
    end_run(&d, id_of(now, 6), -1, true);           /* 400 ms after its end */
    end_run(&d, id_of(now + 100000, 7), -1, false); /* young */
    wait_kept(&d, 4);
    CHECK(run_id_time_ms(&got.ids[0]) == now + 100000);
    CHECK(load(&d, id_of(now - 9000, 4)) && got.j.live);
    CHECK(load(&d, id_of(now - 5000, 2)) && load(&d, id_of(now - 5000, 3)));
    store_stats s;
    store_stats_get(d.store, &s);
    for (int n = 0; n < 500 && s.runs_deleted != 3; n++) { /* counted after they are gone */
        usleep(20000);
        store_stats_get(d.store, &s);
    }
    CHECK_INT(s.runs_deleted, 3);
    end_run(&d, id_of(now - 9000, 4), -1, true); /* it ends: its time begins now */
    wait_kept(&d, 3);
    close_desk(&d);
}

/* More than a sweep's batch of live, long and kept runs lie before the one that is to go. */
static void test_age_behind(void)
{
    enum { MANY = 2500 };
    desk d;
    static store_segment all[MANY];
    store_options o = options_for("behind");
    o.retain_ms = 3600000;
    int64_t now = now_ms();
    open_desk(&d, &o);
    for (int i = 0; i < MANY; i++) {
        run_id id = id_of(now - 9000000, 0);
        memcpy(id.bytes + 8, &i, sizeof i);
        all[i] = (store_segment){.run = id,
                                 .live = i % 2 ? STORE_LIVE_SET : STORE_LIVE_CLEAR,
                                 .retain_ms = i % 2 ? -1 : 86400000,
                                 .data = "stays",
                                 .len = 5,
                                 .next = i + 1 < MANY ? &all[i + 1] : NULL};
    }
    append(&d, all, MANY);
    end_run(&d, id_of(now - 8000000, 1), -1, false);
    end_run(&d, id_of(now, 2), -1, false);
    for (int i = 0; i < 3000 && load(&d, id_of(now - 8000000, 1)); i++) usleep(20000);
    CHECK(!load(&d, id_of(now - 8000000, 1)));
    CHECK(load(&d, id_of(now, 2)));
    CHECK(load(&d, all[0].run) && load(&d, all[MANY - 1].run) && got.j.live);
    store_stats s;
    store_stats_get(d.store, &s);
    CHECK(s.runs_deleted <= 1);
    close_desk(&d);
}

/* As after a commit that was reported as failed, yet came back from the log: the run had gone on meanwhile. */
static void test_live_with_expiry(void)
{
    desk d;
    store_options o = options_for("goes-on");
    open_desk(&d, &o);
    run_id id = id_of(now_ms(), 1), after = id_of(now_ms(), 2);
    store_segment goes_on = {.run = id, .seq = 1, .live = STORE_LIVE_SET, .retain_ms = -1, .data = "on", .len = 2};
    store_segment ended = {.run = id, .live = STORE_LIVE_CLEAR, .data = "first,", .len = 6, .next = &goes_on};
    append(&d, &ended, 2);
    end_run(&d, after, 0, false);
    for (int i = 0; i < 3000 && load(&d, after); i++) usleep(20000);
    CHECK(!load(&d, after));
    CHECK(load(&d, id) && got.j.live);
    CHECK_STR(got.data, "first,on");
    close_desk(&d);
}

static void test_bytes(void)
{
    enum { RUNS = 400, SIZE = 100000 };
    desk d;
    static char body[SIZE];
    store_options o = options_for("bytes");
    open_desk(&d, &o);
    uint32_t noise = 1;
    for (int i = 0; i < SIZE; i++) body[i] = (char)((noise = noise * 1103515245 + 12345) >> 16);
    put(&d, id_of(500, 0), 0, STORE_LIVE_SET, 0, "the oldest, but it still runs");
    for (int i = 0; i < RUNS; i++) {
        run_id id = id_of(1000 + i, (uint8_t)i);
        store_segment s = {.run = id, .live = STORE_LIVE_CLEAR, .retain_ms = 86400000, .data = body, .len = SIZE};
        memcpy(body, &i, sizeof i);
        append(&d, &s, 1);
    }
    close_desk(&d);
    o.retain_bytes = 10 << 20;
    open_desk(&d, &o);
    for (int i = 0; i < 1000; i++) {
        store_stats s;
        store_stats_get(d.store, &s);
        if (s.disk_bytes > 0 && s.disk_bytes <= o.retain_bytes && s.runs_deleted > 0) break;
        usleep(20000);
    }
    store_stats s;
    store_stats_get(d.store, &s);
    CHECK(s.disk_bytes <= o.retain_bytes && s.runs_deleted >= RUNS / 2);
    CHECK(!load(&d, id_of(1000, 0)));
    CHECK(load(&d, id_of(1000 + RUNS - 1, (uint8_t)(RUNS - 1))));
    CHECK(load(&d, id_of(500, 0)) && got.j.live);
    close_desk(&d);
}

/* ---- Death and full disks ---- */

/* Appends for ever; reports each committed number through the pipe on standard output. */
static int child_append(const char *path)
{
    desk d;
    open_desk(&d, &(store_options){.path = path, .retain_ms = 4000000000000});
    for (uint32_t i = 0;; i++) {
        char data[400];
        int len = snprintf(data, sizeof data, "number %u, %0300u", i, i);
        store_segment s = {.run = id_of(1000 + i, (uint8_t)i),
                           .live = STORE_LIVE_CLEAR,
                           .retain_ms = -1,
                           .data = data,
                           .len = (size_t)len};
        append(&d, &s, 1);
        CHECK_INT(d.failed, 0);
        CHECK(write(STDOUT_FILENO, &i, sizeof i) == sizeof i);
    }
}

static pid_t start_child(const char *name, const char *path, int *out)
{
    int fds[2];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        const char *argv[] = {self, "--child", name, path, NULL};
        execv(self, (char **)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    *out = fds[0];
    return pid;
}

static void test_kill(void)
{
    enum { ROUNDS = 15 };
    store_options o = options_for("kill");
    const char *base = o.path;
    unsigned seed = (unsigned)now_ms(), total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char path[160];
        int out;
        snprintf(path, sizeof path, "%s%d", base, round);
        pid_t pid = start_child("append", path, &out);
        uint32_t number = 0, count = 0, most = (uint32_t)rand_r(&seed) % 300 + 1;
        while (count < most && read(out, &number, sizeof number) == sizeof number) CHECK_INT(number, count++);
        kill(pid, SIGKILL);
        while (read(out, &number, sizeof number) == sizeof number) CHECK_INT(number, count++);
        CHECK(waitpid(pid, NULL, 0) == pid);
        close(out);
        CHECK(count >= most);
        desk d;
        o.path = path;
        open_desk(&d, &o);
        for (uint32_t i = 0; i < count; i++) {
            char expected[400];
            snprintf(expected, sizeof expected, "number %u, %0300u", i, i);
            CHECK(load(&d, id_of(1000 + i, (uint8_t)i)));
            CHECK_STR(got.data, expected);
        }
        close_desk(&d);
        total += count;
    }
    printf("# %u reported commits were all there after %d kills\n", total, ROUNDS);
}

/* Lets files grow only so far: what a full disk looks like to a process. */
static void limit_files(rlim_t bytes)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_FSIZE, &r) == 0);
    r.rlim_cur = bytes;
    CHECK(setrlimit(RLIMIT_FSIZE, &r) == 0);
}

static int child_full(const char *path)
{
    desk d;
    static char large[300000];
    signal(SIGXFSZ, SIG_IGN);
    memset(large, 'f', sizeof large - 1);
    open_desk(&d, &(store_options){.path = path, .retain_ms = 4000000000000});
    put(&d, id_of(1, 1), 0, STORE_LIVE_CLEAR, 0, "before");
    limit_files(100000);
    store_segment too_large = {
        .run = id_of(2, 2), .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = large, .len = sizeof large - 1};
    store_append(d.port, &too_large);
    while (store_writable(d.port)) usleep(1000);
    store_stats s;
    store_stats_get(d.store, &s);
    CHECK(s.read_only && s.commit_errors >= 1);
    CHECK(load(&d, id_of(1, 1)));
    CHECK_STR(got.data, "before");
    put(&d, id_of(3, 3), 0, STORE_LIVE_CLEAR, 0, "refused at once");
    CHECK(d.failed == 1 && d.committed == 1); /* what of the large one is on disk is not known yet */
    CHECK(strstr(d.last_error, "at present"));
    limit_files(RLIM_INFINITY);
    for (int i = 0; i < 1000 && s.read_only; i++) {
        usleep(20000);
        store_stats_get(d.store, &s);
    }
    CHECK(!s.read_only);
    wait_for(&d, 3); /* the large one has been written after all */
    put(&d, id_of(4, 4), 0, STORE_LIVE_CLEAR, 0, "after");
    CHECK(d.failed == 1 && d.committed == 3);
    CHECK(load(&d, id_of(1, 1)) && load(&d, id_of(2, 2)) && load(&d, id_of(4, 4)) && !load(&d, id_of(3, 3)));
    close_desk(&d);
    CHECK(write(STDOUT_FILENO, "done", 4) == 4);
    return 0;
}

static void test_full(void)
{
    store_options o = options_for("full");
    char said[4096] = "";
    int out, status = 0;
    pid_t pid = start_child("full", o.path, &out);
    for (ssize_t n, len = 0; (n = read(out, said + len, sizeof said - 1 - (size_t)len)) > 0;) said[len += n] = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    if (strcmp(said, "done") != 0) printf("# child: %s\n", said);
    CHECK_STR(said, "done");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    desk d;
    open_desk(&d, &o);
    CHECK(load(&d, id_of(1, 1)) && load(&d, id_of(2, 2)) && load(&d, id_of(4, 4)));
    close_desk(&d);
}

static const check_case cases[] = {{"journals, the live table and lists", test_journals},
                                   {"many segments are one commit", test_one_commit},
                                   {"epoch, node and secret", test_identity},
                                   {"a full queue is told", test_busy},
                                   {"what cannot be opened", test_refusals},
                                   {"a store that another process has open", test_other_process},
                                   {"a folder that cannot be written", test_unwritable},
                                   {"a damaged database", test_damage},
                                   {"retention by age", test_age},
                                   {"retention goes on behind runs that stay", test_age_behind},
                                   {"a live run is kept whatever its expiry row says", test_live_with_expiry},
                                   {"retention by size", test_bytes},
                                   {"kill -9 loses nothing that was reported", test_kill},
                                   {"a full disk", test_full}};

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--child") == 0)
        return argv[2][0] == 'a' ? child_append(argv[3]) : child_full(argv[3]);
    snprintf(self, sizeof self, "%s", argv[0]);
    snprintf(root, sizeof root, "/tmp/stepwell-store-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    return result;
}
