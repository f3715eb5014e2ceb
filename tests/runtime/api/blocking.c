/* Threads: user code on all threads of sw_blocking keeps nobody from the journal; more calls than threads wait; and
 * what the store still does when --drain is over is waited for. */
#include <pthread.h>

#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"

enum { CALLS = 24, THREADS = 16 };

typedef struct notes {
    disk_state disk;
    volatile unsigned at_work, most_at_work, done;
    volatile bool go_on;
} notes;
static notes *seen;

static void *until_told(void *arg)
{
    unsigned n = __atomic_add_fetch(&seen->at_work, 1, __ATOMIC_SEQ_CST);
    unsigned most = __atomic_load_n(&seen->most_at_work, __ATOMIC_SEQ_CST);
    while (n > most &&
           !__atomic_compare_exchange_n(&seen->most_at_work, &most, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    while (!__atomic_load_n(&seen->go_on, __ATOMIC_SEQ_CST)) usleep(1000);
    (void)__atomic_sub_fetch(&seen->at_work, 1, __ATOMIC_SEQ_CST);
    (void)__atomic_add_fetch(&seen->done, 1, __ATOMIC_SEQ_CST);
    return arg;
}

static sw_value block(sw_ctx *c, sw_value v)
{
    (void)sw_blocking(c, until_told, NULL);
    return v;
}

static void on_block(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 0);
    for (int i = 0; i < CALLS; i++) sw_push(c, &inputs, sw_int(i));
    sw_each(c, "block", block, inputs, 0);
    sw_reply_text(c, 200, "unblocked");
}

/* As deep as on a thread of libuv's. */
static void *deep(void *arg)
{
    volatile char large[4 << 20];
    for (size_t i = 0; i < sizeof large; i += 4096) large[i] = 1;
    return (void *)(uintptr_t)(large[4096] == 1 && !arg);
}

static sw_value go_deep(sw_ctx *c, sw_value v)
{
    (void)v;
    return sw_bool(sw_blocking(c, deep, NULL) != NULL);
}

static void on_deep(sw_ctx *c)
{
    sw_reply_text(c, 200, "%d", sw_as_bool(sw_step(c, "deep", go_deep, sw_nil()), false));
}

static void on_quick(sw_ctx *c) { sw_reply_text(c, 200, "quick"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("blocking");
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_endpoint(app, "GET /block", on_block, NULL);
    sw_endpoint(app, "GET /deep", on_deep, NULL);
    sw_endpoint(app, "POST /quick", on_quick, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;

static void start(const char *name)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, name);
    const char *const flags[] = {"--data",       data, "--loops", "2",     "--dev",
                                 "--backup-dir", root, "--drain", "100ms", NULL};
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static pid_t ask(const char *method, const char *path)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    bool ok = call_try(method, server_url(path), NULL, NULL, 5, &a);
    _exit(ok && a.status < 300 ? 0 : 1);
}

static int exit_code(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_journal_goes_on(void)
{
    start("data");
    pid_t asks = ask(NULL, "/block");
    while (seen->at_work < THREADS) usleep(1000);
    for (int i = 0; i < 20; i++) { /* each looks up a key, on a thread, while user code has all of its own */
        char key[64];
        snprintf(key, sizeof key, "Idempotency-Key: key-%d", i);
        const char *const headers[] = {key, NULL};
        call("POST", server_url("/quick"), headers, "", 0, &a);
        CHECK_INT(a.status, 200);
    }
    CHECK_INT(seen->done, 0);
    seen->go_on = true;
    CHECK_INT(exit_code(asks), 0);
    CHECK_INT(seen->done, CALLS);
    CHECK_INT(seen->most_at_work, THREADS);
    call(NULL, server_url("/deep"), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "1");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void *let_link(void *arg)
{
    (void)arg;
    usleep(600000); /* --drain is long over */
    seen->disk.links_hang = false;
    return NULL;
}

static void test_backup_at_drain(void)
{
    pthread_t later;
    start("drained");
    seen->disk.links_hang = true;
    pid_t asks = ask("POST", "/_sw/backup?name=copy");
    while (!seen->disk.linking) usleep(1000);
    CHECK(pthread_create(&later, NULL, let_link, NULL) == 0);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    CHECK(pthread_join(later, NULL) == 0);
    (void)exit_code(asks); /* the connection may be cut: the backup is made all the same */
    char made[128];
    snprintf(made, sizeof made, "%s/copy/journal/CURRENT", root);
    CHECK(access(made, F_OK) == 0);
}

static const check_case cases[] = {{"user code on threads does not keep the journal waiting", test_journal_goes_on},
                                   {"a backup under way when --drain is over", test_backup_at_drain}};

SERVED_MAIN_NOTES(serve, seen, cases)
