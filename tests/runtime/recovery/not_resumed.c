/* A run that is held back by --no-resume stands until its release is on disk, whoever asks for it first and whatever
 * fails meanwhile. The program is turned by hand, on a disk of memory. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/harness/turned.h"

static const char *const holds[] = {"--no-resume", "--drain", "0", NULL};
static unsigned called, attempts;
static bool no_stacks;

/* Memory for coroutines' stacks can be refused. Named for the linker, as the compiler calls it in stack.c. */
__attribute__((visibility("default"))) void *short_mmap(void *at, size_t len, int protection, int flags, int fd,
                                                        off_t from) __asm__("mmap64");
void *short_mmap(void *at, size_t len, int protection, int flags, int fd, off_t from)
{
    int stack = MAP_STACK | MAP_NORESERVE;
    if (no_stacks && (flags & stack) == stack) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, from);
}

static sw_value sleeps(sw_ctx *c, sw_value v)
{
    attempts++;
    sw_sleep(c, "long", 3600000);
    return v;
}

static void on_held(sw_ctx *c)
{
    called++;
    (void)sw_step(c, "sleeps", sleeps, sw_nil());
    sw_reply_text(c, 200, "done");
}

static sw_value fails(sw_ctx *c, sw_value v)
{
    (void)v;
    attempts++;
    sw_fail(c, "not today");
}

static void on_spent(sw_ctx *c)
{
    called++;
    (void)sw_step_with(c, "fails", fails, sw_nil(), &(sw_step_options){.retries = SW_NO_RETRIES});
    sw_reply_text(c, 200, "done");
}

static struct {
    unsigned executed, ended;
    bool is_mended;
    run_id id;
} child;

static sw_value on_child(sw_ctx *c, sw_value input)
{
    child.executed++;
    CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &child.id));
    if (!child.is_mended) sw_fail_fatal(c, "it is broken");
    return input;
}

static void on_caller(sw_ctx *c)
{
    (void)sw_call(c, "call", "child", sw_int(1));
    child.ended++;
    sw_reply_text(c, 200, "done");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /caller", on_caller, NULL);
    sw_function(app, "child", on_child, NULL);
    called = attempts = 0;
    sw_endpoint(app, "POST /held", on_held, NULL);
    sw_endpoint(app, "POST /hasty", on_held, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_endpoint(app, "POST /spent", on_spent, &(sw_endpoint_options){.on_exhausted = SW_STOP});
}

/* In a process that has ended since; `key` is a header or "". */
static run_id leave_run(const char *path, const char *key)
{
    char text[TURNED_TEXT], *id;
    char headers[128];
    run_id left;
    const char *const hurries[] = {"--drain", "0", NULL};
    turned_open(routes, hurries);
    (void)snprintf(headers, sizeof headers, "Prefer: respond-async\r\n%s", key);
    CHECK_INT(turned_reply(turned_send("POST", path, headers), text), 202);
    TURN_UNTIL(attempts == 1);
    CHECK((id = strstr(text, "/_sw/runs/")) != NULL);
    CHECK(run_id_parse(id + strlen("/_sw/runs/"), RUN_ID_TEXT, &left));
    turned_end();
    return left;
}

static slot *reopen(const run_id *id)
{
    turned_open(routes, holds);
    TURN_UNTIL(turned_home()->slots.recovered);
    CHECK(turned_slot(id) && turned_slot(id)->stop == STOP_NOT_RESUMED);
    return turned_slot(id);
}

/* Its key is found before its row of the live table is. */
static void test_asked_for(void)
{
    char text[TURNED_TEXT];
    const char key[] = "Idempotency-Key: \"one\"\r\n";
    run_id id = leave_run("/held", key);
    turned_open(routes, holds);
    int fd = turned_send("POST", "/held", "Prefer: respond-async\r\nIdempotency-Key: \"one\"\r\n");
    while (store_hand_reads(turned_app->store) < 2) CHECK(turned_turn_unread()); /* letters, and the key */
    store_hand_read(turned_app->store, 1);
    while (!turned_slot(&id)) CHECK(turned_turn_unread());
    CHECK_INT(turned_reply(fd, text), 202);
    turned_often();
    CHECK(turned_slot(&id)->state == SLOT_STOPPED && turned_slot(&id)->stop == STOP_NOT_RESUMED);
    CHECK_INT(called, 0);
    turned_close();
}

static void test_unreadable(void)
{
    char text[TURNED_TEXT];
    run_id id = leave_run("/held", "");
    slot *s = reopen(&id);
    memory_fail_reads(turned_disk, true);
    CHECK_INT(turned_reply(turned_send_release(&id), text), 409);
    CHECK_INT(s->stop, STOP_UNREADABLE);
    memory_fail_reads(turned_disk, false);
    slot_wake(turned_home(), s); /* as its timer would */
    TURN_UNTIL(s->stop != STOP_UNREADABLE);
    turned_often();
    CHECK_INT(s->stop, STOP_NOT_RESUMED);
    CHECK_INT(called, 0);
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    TURN_UNTIL(attempts == 1);
    turned_close();
}

/* A release that was denied is not obeyed by the next start, also when its letter could not be deleted at once. */
static void test_undeleted(void)
{
    char text[TURNED_TEXT];
    run_id id = leave_run("/held", "");
    const slot *s = reopen(&id);
    memory_fail_reads(turned_disk, true);
    memory_fail(turned_disk, MEMORY_REFUSES, 1, false); /* the second write, that is */
    CHECK_INT(turned_reply(turned_send_release(&id), text), 409);
    memory_fail_reads(turned_disk, false);
    TURN_UNTIL(!gate_writable(turned_home()));
    TURN_UNTIL(gate_writable(turned_home()));
    turned_often();
    turned_end();
    s = reopen(&id);
    turned_often();
    CHECK_INT(s->stop, STOP_NOT_RESUMED);
    CHECK_INT(called, 0);
    turned_close();
}

static void test_relaxed(void)
{
    run_id id = leave_run("/hasty", "");
    slot *s = reopen(&id);
    int fd = turned_send_release(&id);
    TURN_UNTIL(s->wants_release); /* the letter is on disk */
    turned_writes = false;
    TURN_UNTIL(called == 1);
    turned_often();
    CHECK_INT(attempts, 0);
    turned_writes = true;
    TURN_UNTIL(attempts == 1);
    close(fd);
    turned_close();
}

static void test_short(void)
{
    char text[TURNED_TEXT];
    run_id id = leave_run("/held", "");
    slot *s = reopen(&id);
    no_stacks = true;
    int fd = turned_send_release(&id);
    TURN_UNTIL(s->state == SLOT_PARKED);
    int again = turned_send_release(&id);
    turned_often();
    no_stacks = false;
    CHECK_INT(turned_reply(again, text), 200);
    CHECK_INT(turned_reply(fd, text), 200);
    turned_close();
}

/* The next process, too: there the letter is all that it knows of the run, which stands by an entry of its journal. */
static void test_short_again(void)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /spent")->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_STOPPED);
    turned_end();
    turned_open(routes, NULL); /* it has no stack that was used before */
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_STOPPED);
    no_stacks = true;
    close(turned_send_release(&id));
    TURN_UNTIL(turned_slot(&id)->state == SLOT_PARKED);
    turned_end();
    turned_open(routes, NULL);
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    int fd = turned_send_release(&id);
    turned_often();
    no_stacks = false;
    CHECK_INT(turned_reply(fd, text), 200);
    TURN_UNTIL(attempts == 1); /* of this process */
    turned_close();
}

/* A run is resumed, and the process ends before the runs that it has called know: they stand as it does. */
static void test_called(void)
{
    const char *const hurries[] = {"--drain", "0", NULL};
    char text[TURNED_TEXT];
    turned_open(routes, hurries);
    const run_id id = turned_begin("POST /caller")->id;
    TURN_UNTIL(child.executed == 1 && turned_home()->runs.count == 0 && turned_home()->slots.count == 0);
    child.is_mended = true;
    int fd = turned_ask_run("POST", &id, "/resume", "");
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    store_hand_read(turned_app->store, 0); /* the caller's journal; the child's is not read */
    while (turned_read(fd, text)) CHECK(turned_turn_unread());
    CHECK(strstr(text, "202"));
    turned_end();
    CHECK_INT(child.executed, 1);
    (void)reopen(&id);
    TURN_UNTIL(child.executed > 1 || (turned_slot(&child.id) && turned_slot(&child.id)->stop == STOP_NOT_RESUMED));
    turned_often();
    CHECK_INT(child.executed, 1);
    turned_check(turned_send_release(&child.id), 200, "");
    TURN_UNTIL(child.executed == 2);
    turned_check(turned_send_release(&id), 200, "");
    TURN_UNTIL(child.ended == 1);
    turned_close();
}

static const check_case cases[] = {
    {"a client that repeats its key does not let it go on", test_asked_for},
    {"it stands when it can be read again", test_unreadable},
    {"a denied release stays denied, though its letter could not be deleted at once", test_undeleted},
    {"SW_RELAXED waits for its release", test_relaxed},
    {"a release may be repeated while there is no stack", test_short},
    {"also when the letter is all that a process knows of it", test_short_again},
    {"runs that are to go on with their caller", test_called},
};
CHECK_MAIN(cases)
