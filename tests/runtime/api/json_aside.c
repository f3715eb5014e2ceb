/* Large JSON is read and written by another thread while its strand waits: others are served meanwhile, and what comes
 * in between (a cancel, a deadline, a drain) meets a run that is as good as any other. Some calls of the program go
 * through functions of this test (the linker's --wrap). */
#include <limits.h>

#include "blocks/blocks.h"
#include "runtime/api/aside.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/pool.h"
#include "tests/harness/turned.h"

enum { LARGE_BYTES = 512 << 10, NUMBERS = LARGE_BYTES / 2 };

static char large[LARGE_BYTES + 16]; /* [7,7,...] */
static size_t large_len;

static struct {
    int reading, writing; /* atomic: long works that have begun */
    int go;               /* atomic: so many of them go on */
    bool refuse;          /* no thread is to be had */
    unsigned refused;
    unsigned ends; /* of handlers */
    size_t numbers;
} seen;

static void let_go_on(int count) { __atomic_store_n(&seen.go, count, __ATOMIC_SEQ_CST); }
static void let_go(void) { let_go_on(INT_MAX); }
static int begun(int *count) { return __atomic_load_n(count, __ATOMIC_SEQ_CST); }

static void hold(int *count)
{
    int number = __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
    while (number > __atomic_load_n(&seen.go, __ATOMIC_SEQ_CST)) usleep(100);
}

bool __real_json_read(arena *a, const char *data, size_t len, sw_value *out, const char **message);
bool __wrap_json_read(arena *a, const char *data, size_t len, sw_value *out, const char **message);

bool __wrap_json_read(arena *a, const char *data, size_t len, sw_value *out, const char **message)
{
    if (!coro_current()) hold(&seen.reading);
    return __real_json_read(a, data, len, out, message);
}

bool __real_json_write(arena *a, sw_value v, sw_bytes *out);
bool __wrap_json_write(arena *a, sw_value v, sw_bytes *out);

bool __wrap_json_write(arena *a, sw_value v, sw_bytes *out)
{
    if (!coro_current()) hold(&seen.writing);
    return __real_json_write(a, v, out);
}

bool __real_pool_submit(pool_door *d, pool_job *j);
bool __wrap_pool_submit(pool_door *d, pool_job *j);

bool __wrap_pool_submit(pool_door *d, pool_job *j)
{
    if (seen.refuse) seen.refused++;
    return !seen.refuse && __real_pool_submit(d, j);
}

/* ---- The program ---- */

static void on_read(sw_ctx *c)
{
    sw_value v = sw_json_parse(c, large, large_len);
    seen.ends++;
    sw_reply_text(c, 200, "%zu numbers", sw_len(v));
}

static sw_value read_step(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_int((int64_t)sw_len(sw_json_parse(c, large, large_len)));
}

static sw_value quick(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

/* Reads in the handler and in a step, and has a result before, between and after. */
static void on_steps(sw_ctx *c)
{
    (void)sw_step(c, "before", quick, sw_nil());
    size_t n = sw_len(sw_json_parse(c, large, large_len));
    sw_step_options options = {.timeout_ms = 50, .retries = -1};
    sw_value m = sw_step_with(c, "read", read_step, sw_nil(), &options);
    seen.ends++;
    sw_reply_text(c, 200, "%zu and %d numbers", n, (int)sw_as_int(m, 0));
}

static void on_write(sw_ctx *c)
{
    sw_value v = sw_array(c, 0);
    for (size_t i = 0; i < NUMBERS; i++) sw_push(c, &v, sw_int(7));
    sw_bytes text = sw_json(c, v);
    seen.ends++;
    bool equal = text.len == large_len && memcmp(text.data, large, large_len) == 0 && !text.data[text.len];
    sw_reply_text(c, 200, "%s", equal ? "as it was" : "otherwise");
}

typedef struct shared {
    sw_value array;
    sw_bytes text;
} shared;

static sw_value write_branch(sw_ctx *c, sw_value input)
{
    shared *s = sw_arg(c);
    s->text = sw_json(c, s->array);
    return input;
}

static sw_value push_branch(sw_ctx *c, sw_value input)
{
    shared *s = sw_arg(c);
    for (int i = 0; i < 1000; i++) sw_push(c, &s->array, sw_str(c, "pushed"));
    let_go();
    return input;
}

/* One branch writes the array to which another one pushes meanwhile. */
static void on_branches(sw_ctx *c)
{
    shared *s = sw_alloc(c, sizeof *s);
    s->array = sw_array(c, 0);
    for (size_t i = 0; i < NUMBERS; i++) sw_push(c, &s->array, sw_int(7));
    sw_group *g = sw_group_new(c);
    sw_group_branch_arg(g, "write", write_branch, sw_nil(), s);
    sw_group_branch_arg(g, "push", push_branch, sw_nil(), s);
    (void)sw_group_wait(g);
    bool equal = s->text.len == large_len && memcmp(s->text.data, large, large_len) == 0;
    sw_reply_text(c, 200, "%s, %zu", equal ? "as it was" : "otherwise", sw_len(s->array));
}

static void read_in_cleanup(void *of)
{
    sw_value v = sw_json_parse(of, large, large_len);
    seen.numbers = sw_len(v);
    (void)sw_json(of, v);
}

static void on_cleanup(sw_ctx *c)
{
    sw_defer(c, read_in_cleanup, c);
    sw_reply_text(c, 200, "replied");
}

/* What is read can be changed, in the arena that has it now. */
static void on_change(sw_ctx *c)
{
    sw_value v = sw_json_parse(c, large, large_len), other = v;
    sw_push(c, &v, sw_int(8));
    const sw_value *place = v.via.array.ptr;
    sw_push(c, &v, sw_int(9));
    sw_push(c, &other, sw_int(1));
    sw_reply_text(c, 200, "%d %d %d %zu", (int)sw_as_int(sw_at(v, NUMBERS), 0), place == v.via.array.ptr,
                  (int)sw_as_int(sw_at(other, NUMBERS), 0), sw_len(sw_at(v, 0)));
}

static sw_value read_branch(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_int((int64_t)sw_len(sw_json_parse(c, large, large_len)));
}

/* Each has all the room that there is when it begins. */
static void on_both(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "one", read_branch, sw_nil());
    sw_group_branch(g, "other", read_branch, sw_nil());
    sw_reply_text(c, 200, "%zu", sw_len(sw_group_wait(g)));
}

static void on_quick(sw_ctx *c) { sw_reply_text(c, 200, "quick"); }

static void routes(sw_app *app)
{
    memset(&seen, 0, sizeof seen);
    sw_endpoint(app, "POST /read", on_read, NULL);
    sw_endpoint(app, "POST /late", on_read, &(sw_endpoint_options){.timeout_ms = 20});
    sw_endpoint(app, "POST /steps", on_steps, NULL);
    sw_endpoint(app, "POST /write", on_write, NULL);
    sw_endpoint(app, "POST /branches", on_branches, NULL);
    sw_endpoint(app, "POST /cleanup", on_cleanup, NULL);
    sw_endpoint(app, "POST /change", on_change, NULL);
    sw_endpoint(app, "POST /both", on_both, NULL);
    sw_endpoint(app, "POST /quick", on_quick, NULL);
    sw_route(app, "POST /plain", on_read);
}

static void open_program(const char *state_max)
{
    const char *const flags[] = {"--hold", "1h", state_max ? "--run-state-max" : NULL, state_max, NULL};
    memset(large, '7', sizeof large);
    for (size_t i = 0; i <= 2 * (size_t)NUMBERS; i += 2) large[i] = ',';
    large_len = 2 * (size_t)NUMBERS + 1;
    large[0] = '[';
    large[large_len - 1] = ']';
    turned_aside_threads = 1;
    turned_open(routes, flags);
}

/* The only one; it has a slot once it is on disk. */
static run *only_run(void)
{
    run *r = TAILQ_FIRST(&turned_home()->runs.slotless);
    if (!r && turned_only_slot()) r = turned_only_slot()->run;
    CHECK(r);
    return r;
}

static void check_reply(int fd, const char *body)
{
    char text[TURNED_TEXT];
    CHECK_INT(turned_reply(fd, text), 200);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, body);
}

/* ---- Tests ---- */

static void check_others_are_served(const char *route, int *work, const char *body)
{
    open_program(NULL);
    int fd = turned_send("POST", route, "");
    TURN_UNTIL(begun(work) == 1);
    for (int i = 0; i < 3; i++) check_reply(turned_send("POST", "/quick", ""), "quick");
    CHECK_INT(seen.ends, 0);
    let_go();
    check_reply(fd, body);
    turned_close();
}

static void test_read(void) { check_others_are_served("/read", &seen.reading, "262144 numbers"); }
static void test_plain(void) { check_others_are_served("/plain", &seen.reading, "262144 numbers"); }
static void test_write(void) { check_others_are_served("/write", &seen.writing, "as it was"); }

static void test_branches(void)
{
    open_program(NULL);
    check_reply(turned_send("POST", "/branches", ""), "as it was, 263144");
    CHECK_INT(begun(&seen.writing), 1);
    turned_close();
}

static void test_queue(void)
{
    int fds[3];
    open_program(NULL);
    for (int i = 0; i < 3; i++) fds[i] = turned_send("POST", "/read", "");
    TURN_UNTIL(begun(&seen.reading) == 1);
    turned_often();
    CHECK_INT(begun(&seen.reading), 1); /* there is one thread */
    let_go();
    for (int i = 0; i < 3; i++) check_reply(fds[i], "262144 numbers");
    turned_close();
}

static void test_no_thread(void)
{
    open_program(NULL);
    seen.refuse = true;
    check_reply(turned_send("POST", "/read", ""), "262144 numbers");
    CHECK_INT(seen.refused, 1);
    turned_close();
}

static void test_cleanup(void)
{
    open_program(NULL);
    check_reply(turned_send("POST", "/cleanup", ""), "replied");
    CHECK_INT(seen.numbers, NUMBERS);
    CHECK_INT(begun(&seen.reading), 0);
    turned_close();
}

static void test_change(void)
{
    open_program(NULL);
    let_go();
    check_reply(turned_send("POST", "/change", ""), "8 1 1 0");
    turned_close();
}

static void test_cancel(void)
{
    char text[TURNED_TEXT];
    open_program(NULL);
    int fd = turned_send("POST", "/read", "");
    TURN_UNTIL(begun(&seen.reading) == 1);
    run *r = only_run();
    TURN_UNTIL(run_is_durable(r));
    int other = turned_send_to("DELETE", &r->id, "");
    TURN_UNTIL(r->state == RUN_CANCELLING);
    turned_often();
    CHECK_INT(r->state, RUN_CANCELLING); /* until the text has been read */
    let_go();
    CHECK_INT(turned_reply(other, text), 200);
    CHECK_INT(turned_reply(fd, text), 410);
    CHECK_INT(seen.ends, 0); /* the handler did not go on */
    turned_close();
}

/* What waits for a thread is given up at once: thousands may wait, and a drain would have to wait for all of them. */
static void test_cancel_queued(void)
{
    char text[TURNED_TEXT];
    open_program(NULL);
    int first = turned_send("POST", "/plain", "");
    TURN_UNTIL(begun(&seen.reading) == 1);
    int fd = turned_send("POST", "/read", "");
    TURN_UNTIL(TAILQ_FIRST(&turned_home()->runs.slotless) || turned_only_slot());
    run *r = only_run();
    TURN_UNTIL(run_is_durable(r));
    int other = turned_send_to("DELETE", &r->id, "");
    CHECK_INT(turned_reply(other, text), 200);
    CHECK_INT(turned_reply(fd, text), 410);
    CHECK_INT(seen.ends, 0);
    let_go();
    check_reply(first, "262144 numbers");
    CHECK_INT(begun(&seen.reading), 1);
    turned_close();
}

static void test_deadline(void)
{
    char text[TURNED_TEXT];
    open_program(NULL);
    int fd = turned_send("POST", "/late", "");
    TURN_UNTIL(begun(&seen.reading) == 1);
    run *r = only_run();
    TURN_UNTIL(r->state == RUN_CANCELLING);
    let_go();
    CHECK_INT(turned_reply(fd, text), 504);
    CHECK_INT(seen.ends, 0);
    turned_close();
}

/* A drain lets the text be read; the next process reads it again, and goes on. */
static void test_drain(bool hurried)
{
    char text[TURNED_TEXT];
    open_program(NULL);
    int fd = turned_send("POST", "/steps", "");
    TURN_UNTIL(begun(&seen.reading) == 1);
    run *r = only_run();
    run_id id = r->id;
    TURN_UNTIL(r->commit == COMMIT_DURABLE);
    turned_drain();
    turned_often();
    CHECK_INT(seen.ends, 0);
    turned_home()->hurried = hurried;
    if (hurried) run_drain(r);
    turned_often();
    CHECK_INT(r->task.strand_count, 1); /* the thread works for it */
    let_go();
    CHECK_INT(turned_reply(fd, text), 303);
    turned_end();
    open_program(NULL);
    turned_journal j;
    turned_load(&id, &j);
    CHECK(j.found && j.live);
    CHECK_STR(j.text, "started; step done before");
    let_go();
    CHECK_INT(turned_reply(turned_send_to("GET", &id, "/output"), text), 200);
    CHECK(strstr(text, "262144 and 262144 numbers"));
    turned_close();
}

static void test_drain_waits(void) { test_drain(false); }
static void test_drain_hurries(void) { test_drain(true); }

/* What an attempt has when its time is over while it reads counts: it may have been paid for. */
static void test_timeout(void)
{
    open_program(NULL);
    int fd = turned_send("POST", "/steps", "");
    let_go_on(1);
    TURN_UNTIL(begun(&seen.reading) == 2);
    TURN_UNTIL(only_run()->task.strands->interrupt == INTERRUPT_TIMEOUT);
    turned_often();
    let_go();
    check_reply(fd, "262144 and 262144 numbers");
    turned_close();
}

/* Of a text that is wrong at its end each reader says the same, and the memory of what was read is free again. */
static void test_wrong(void)
{
    char text[TURNED_TEXT];
    static const char *const ends[] = {"", "7", "]]", "nul]", "\xff]"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char inside[128];
        open_program(NULL);
        large_len--;
        large_len += (size_t)(stpcpy(large + large_len, ends[i]) - (large + large_len));
        const char *wrong;
        arena a;
        sw_value v;
        arena_init(&a, NULL);
        CHECK(!__real_json_read(&a, large, large_len, &v, &wrong));
        CHECK(strstr(wrong, "line 1, column 524"));
        (void)snprintf(inside, sizeof inside, "sw_json_parse: %s", wrong);
        arena_free(&a);
        let_go();
        CHECK_INT(turned_reply(turned_send("POST", "/read", ""), text), 500);
        CHECK(strstr(text, inside));
        CHECK_INT(begun(&seen.reading), 1);
        turned_close();
    }
}

/* The limit holds for what another thread makes, too. */
static void test_limit(void)
{
    char text[TURNED_TEXT];
    open_program("1MiB"); /* a handler has four times as much, the numbers take 6 MiB */
    let_go();
    CHECK_INT(turned_reply(turned_send("POST", "/read", ""), text), 500);
    CHECK(strstr(text, "the memory of the run is over its limit"));
    CHECK_INT(begun(&seen.reading), 1);
    turned_close();
}

/* The next text is read into the memory that the last one had, and no more is kept than one takes. */
static void test_memory_again(void)
{
    size_t kept = 0;
    open_program(NULL);
    let_go();
    for (int i = 0; i < 8; i++) {
        check_reply(turned_send("POST", "/read", ""), "262144 numbers");
        turned_often();
        if (i == 0) kept = blocks_kept(turned_home()->blocks);
    }
    printf("# %zu bytes kept after one text, %zu after eight\n", kept, blocks_kept(turned_home()->blocks));
    CHECK(blocks_kept(turned_home()->blocks) <= kept + kept / 2);
    turned_close();
}

/* Two texts for which there is room, each without the other. */
static void test_limit_of_both(void)
{
    char text[TURNED_TEXT];
    open_program("2MiB");
    let_go();
    CHECK_INT(turned_reply(turned_send("POST", "/both", ""), text), 500);
    CHECK(strstr(text, "the memory of the run is over its limit"));
    CHECK_INT(begun(&seen.reading), 2);
    turned_close();
}

static const check_case cases[] = {{"others are served while a text is read", test_read},
                                   {"others are served while a plain route reads", test_plain},
                                   {"others are served while a text is written", test_write},
                                   {"a branch changes what another one writes", test_branches},
                                   {"texts wait for a thread", test_queue},
                                   {"without a thread the loop reads", test_no_thread},
                                   {"a clean-up does not wait", test_cleanup},
                                   {"what was read can be changed", test_change},
                                   {"a cancel while a text is read", test_cancel},
                                   {"a cancel while a text waits for a thread", test_cancel_queued},
                                   {"a deadline while a text is read", test_deadline},
                                   {"a drain while a text is read", test_drain_waits},
                                   {"the end of --drain while a text is read", test_drain_hurries},
                                   {"an attempt's time is over while it reads", test_timeout},
                                   {"a text that is wrong at its end", test_wrong},
                                   {"a text for which there is no room", test_limit},
                                   {"the next text has the memory of the last one", test_memory_again},
                                   {"two texts for which there is no room", test_limit_of_both}};
CHECK_MAIN(cases)
