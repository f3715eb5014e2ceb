/* Want of memory is nobody's fault: a run that meets it in its handler is loaded again and ends as it would have, an
 * attempt is made again, a plain request and the questions of administrators get 503, and nothing has begun for whom
 * that is said. What was promised, a timer or a place for a run that leaves memory, is there. */
#include <fcntl.h>
#include <sys/wait.h>

#include "runtime/base/timers.h"
#include "runtime/base/want.h"
#include "runtime/clients/client_note.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/letter.h"
#include "tests/harness/turned.h"

/* By the linker's --wrap: what is short. */
static unsigned fails; /* so many of the next blocks of `large` bytes and more are refused */
static size_t large;
static bool no_tables;   /* nothing grows, or is made zeroed */
static size_t no_item;   /* the next zeroed block of that size is refused; 0: none */
static size_t last_item; /* size of the zeroed block that was asked for last */

static bool refuses(size_t bytes)
{
    if (fails == 0 || bytes < large) return false;
    fails--;
    return true;
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes) { return refuses(bytes) ? NULL : __real_malloc(bytes); }

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    bool is_item = no_item > 0 && count == 1 && bytes == no_item, refused = no_tables || is_item;
    if (is_item) no_item = 0;
    last_item = bytes;
    return refused ? NULL : __real_calloc(count, bytes);
}

void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes)
{
    return no_tables || refuses(bytes) ? NULL : __real_realloc(block, bytes);
}

/* ---- The program ---- */

enum { MUCH = 100000 };

static unsigned executions, attempts, finished;

static void run_short_of(size_t bytes)
{
    fails = 1;
    large = bytes;
}

static void on_alloc(sw_ctx *c)
{
    if (executions++ == 0) run_short_of(MUCH);
    (void)sw_alloc(c, MUCH);
    finished++;
    sw_reply_text(c, 200, "done");
}

static void on_json(sw_ctx *c)
{
    if (executions++ == 0) run_short_of(0);
    sw_value v = sw_json_parse(c, "[1, 2]", 6);
    sw_reply_text(c, 200, "%zu numbers", sw_len(v));
}

static sw_value once_short(sw_ctx *c, sw_value v)
{
    if (attempts++ == 0) run_short_of(MUCH);
    (void)sw_alloc(c, MUCH);
    return v;
}

static void on_step(sw_ctx *c)
{
    static const sw_step_options twice = {.retries = 1, .backoff_ms = 1};
    executions++;
    sw_value v = sw_step_with(c, "once", once_short, sw_int(7), &twice);
    sw_reply_text(c, 200, "%d", (int)sw_as_int(v, 0));
}

/* The second of two results does not fit in memory when it is copied. */
static sw_value big(sw_ctx *c, sw_value v)
{
    (void)v;
    attempts++;
    char *text = sw_alloc(c, MUCH);
    memset(text, 'x', MUCH - 1);
    if (attempts == 1) run_short_of(MUCH);
    return sw_bin(c, "", 0).type == MSGPACK_OBJECT_BIN
               ? (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {MUCH - 1, text}}
               : sw_nil();
}

static void on_result(sw_ctx *c)
{
    executions++;
    sw_value v = sw_step(c, "big", big, sw_nil());
    sw_reply_text(c, 200, "%u bytes", v.via.str.size);
}

/* The buffer of entries cannot grow for the second result, after what it is packed in has. */
static void on_second(sw_ctx *c)
{
    attempts = 1;
    (void)sw_step(c, "first", big, sw_nil());
    attempts = executions++ == 0 ? 0 : 1;
    (void)sw_step_with(c, "second", big, sw_nil(), &(sw_step_options){.sync = true});
    finished++;
    sw_reply_text(c, 200, "done");
}

/* Between its two chunks it is loaded again. */
static void on_stream(sw_ctx *c)
{
    sw_push_chunk(c, sw_int(1));
    if (executions++ == 0) {
        frames_unref(frames_new(NULL));
        no_item = last_item;
        run_short_of(MUCH);
    }
    (void)sw_alloc(c, MUCH);
    sw_push_chunk(c, sw_int(2));
    sw_reply_text(c, 200, "done");
}

static bool may_end;

static sw_value hold(sw_ctx *c, sw_value v)
{
    attempts++;
    while (!may_end) sw_sleep(c, "poll", 1);
    return v;
}

/* There is no memory for its last status, behind which its end comes. */
static void on_end(sw_ctx *c)
{
    static char status[MUCH / 2];
    sw_value v = sw_nil();
    (void)sw_step(c, "hold", hold, sw_nil());
    memset(status, 's', sizeof status - 1);
    if (executions++ == 0) {
        sw_status(c, sw_str(c, status));
        run_short_of(sizeof status);
    } else {
        (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "a", .timeout_ms = SW_NO_WAIT}, &v);
    }
    sw_reply_json(c, 200, v);
}

static void on_plain(sw_ctx *c)
{
    run_short_of(MUCH);
    (void)sw_alloc(c, MUCH);
    sw_reply_text(c, 200, "done");
}

static void routes(sw_app *app)
{
    executions = attempts = finished = fails = 0;
    no_tables = may_end = false;
    no_item = 0;
    sw_endpoint(app, "POST /alloc", on_alloc, NULL);
    sw_endpoint(app, "POST /json", on_json, NULL);
    sw_endpoint(app, "POST /step", on_step, NULL);
    sw_endpoint(app, "POST /result", on_result, NULL);
    sw_endpoint(app, "POST /second", on_second, NULL);
    sw_endpoint(app, "POST /stream", on_stream, NULL);
    sw_endpoint(app, "POST /end", on_end, NULL);
    sw_route(app, "POST /plain", on_plain);
}

/* ---- Tests ---- */

static char text[TURNED_TEXT];

/* Whose run is loaded again is sent on to its URL. */
static int asked(const char *route)
{
    char target[512];
    int status = turned_reply(turned_send("POST", route, ""), text);
    const char *location = status == 303 ? strstr(text, "/_sw/runs/") : NULL;
    if (!location) return status;
    (void)snprintf(target, sizeof target, "%.*s", (int)strcspn(location, "\r"), location);
    return turned_reply(turned_send("GET", target, ""), text);
}

static void answers(const char *route, int status, const char *body)
{
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    CHECK_INT(asked(route), status);
    CHECK_INT(fails, 0);
    if (!strstr(text, body)) printf("# %s: %s\n", route, text);
    CHECK(strstr(text, body));
    turned_close();
}

static void test_handler(void)
{
    answers("/alloc", 200, "done");
    CHECK_INT(executions, 2);
    CHECK_INT(finished, 1);
}

static void test_json(void)
{
    answers("/json", 200, "2 numbers");
    CHECK_INT(executions, 2);
}

static void test_attempt(void)
{
    answers("/step", 200, "7");
    CHECK_INT(attempts, 2);
    CHECK_INT(executions, 1);
}

static void test_result(void)
{
    answers("/result", 200, "99999 bytes");
    CHECK_INT(executions, 2);
}

static void test_lost_result(void)
{
    answers("/second", 200, "done");
    CHECK_INT(executions, 2);
    CHECK_INT(finished, 1); /* not with the result that was lost */
}

/* Frames that cannot be made again when a run is loaded would give those behind them other numbers. */
static void test_frames(void)
{
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    CHECK_INT(turned_reply(turned_send("POST", "/stream", "Accept: text/event-stream\r\n"), text), 200);
    CHECK_INT(no_item, 0);
    CHECK(strstr(text, "id: 1\nevent: inngest.stream\ndata: {\"data\":1}"));
    CHECK(strstr(text, "id: 2\nevent: inngest.stream\ndata: {\"data\":2}"));
    CHECK(strstr(text, "id: 3\nevent: inngest.response"));
    turned_close();
}

/* A run that is lost before its end keeps the letters that it has in memory. */
static void test_letters(void)
{
    turned_open(routes, (const char *const[]){"--status-max", "64KiB", NULL});
    run_id id = turned_begin("POST /end")->id;
    TURN_UNTIL(attempts == 1 && turned_slot(&id));
    turned_check(turned_send_signal(&id, "a", NULL, "7"), 202, "");
    may_end = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK_INT(fails, 0);
    CHECK_INT(executions, 2);
    turned_check(turned_send_to("GET", &id, "/output"), 200, "7");
    turned_close();
}

static void test_plain(void) { answers("/plain", 503, "out of memory"); }

static void on_journals(void *arg, store_journal *j, size_t count) { (void)arg, (void)j, (void)count; }
static void on_ids(void *arg, const run_id *ids, size_t n, const char *e) { (void)arg, (void)ids, (void)n, (void)e; }
static void on_key(void *arg, const store_key_row *row, const char *e) { (void)arg, (void)row, (void)e; }
static void on_deleted(void *arg, const char *error) { (void)arg, (void)error; }

static void on_rows(void *arg, const store_table_row *rows, size_t n, bool end, const char *error)
{
    (void)arg, (void)rows, (void)n, (void)end, (void)error;
}

/* Nothing is asked, and whoever asks is told. */
static void test_store(void)
{
    static const uint8_t hash[STORE_KEY_BYTES];
    const run_id id = {{0}};
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    store_port *p = turned_home()->port;
    no_tables = true;
    CHECK(!store_load(p, &id, 1, on_journals, NULL));
    CHECK(!store_list(p, NULL, 5, on_ids, NULL));
    CHECK(!store_find_key(p, hash, on_key, NULL));
    CHECK(!store_delete(p, &id, on_deleted, NULL));
    CHECK(!store_scan(p, &(store_range){.table = "inbox", .rows_max = 5}, on_rows, NULL));
    no_tables = false;
    CHECK_INT(store_reads(p), 0);
    turned_close();
}

/* It is read again, with who wrote it; one of a kind to come is not. */
static void test_letter(void)
{
    static const uint8_t key[LETTER_KEY_BYTES];
    const char cancel[] = {(char)0x92, 1, LETTER_CANCEL}, other[] = {(char)0x92, 1, 77};
    const store_table_row row = {{key, sizeof key}, {cancel, sizeof cancel}};
    const store_table_row unknown = {{key, sizeof key}, {other, sizeof other}};
    bool is_short = false;
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    letter *m = letter_read(turned_home(), &row, &is_short);
    CHECK(m && !is_short);
    CHECK_STR(m->by, "client");
    letter_free_all(&m);
    const char of[] = {(char)0x95, 1, LETTER_RELEASE, (char)0xa0, (char)0xc4, 0, (char)0xa3, 'a', 'n', 'n'};
    m = letter_read(turned_home(), &(store_table_row){{key, sizeof key}, {of, sizeof of}}, &is_short);
    CHECK(m && m->kind == LETTER_RELEASE);
    CHECK_STR(m->by, "ann");
    letter_free_all(&m);
    no_tables = true;
    CHECK(!letter_read(turned_home(), &row, &is_short) && is_short);
    CHECK(!letter_read(turned_home(), &unknown, &is_short) && !is_short);
    no_tables = false;
    turned_close();
}

/* 503 says that nothing was done. */
static void test_client(void)
{
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    no_item = sizeof(waiter);
    CHECK_INT(turned_reply(turned_send("POST", "/step", ""), text), 503);
    no_item = 0;
    CHECK_INT(executions, 0);
    CHECK_INT(turned_home()->counters.runs_started, 0);
    turned_close();
}

/* Hands the loop a connection that waited for a run, the first block of memory being refused. Returns the other end. */
static int take_back_short(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    const kept_client client = {.wish = {WAITER_OUTPUT}, .request = {request, sizeof request - 1}};
    msgpack_sbuffer note, all;
    int ends[2];
    msgpack_sbuffer_init(&note);
    msgpack_sbuffer_init(&all);
    CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0 && client_note_write(&note, &client));
    uint32_t len = (uint32_t)note.size;
    CHECK(!msgpack_sbuffer_write(&all, (const char *)&len, sizeof len));
    CHECK(!msgpack_sbuffer_write(&all, note.data, note.size));
    run_short_of(1);
    loop_take_back(turned_app, 1, ends[1], all.data, all.size);
    msgpack_sbuffer_destroy(&note);
    msgpack_sbuffer_destroy(&all);
    return ends[0];
}

/* Which loop has the run is not known without memory to read that, and another one would execute the run again. */
static void test_taken_back(void)
{
    char byte;
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    int fd = take_back_short();
    CHECK_INT(fails, 0);
    CHECK_INT(read(fd, &byte, 1), 0); /* the supervisor has a descriptor of its own */
    CHECK(!turned_app->loops[0].moved);
    close(fd);
    turned_close();
}

static void on_timer(struct timer *t) { ++*(unsigned *)t->arg; }

static void test_timers(void)
{
    enum { MANY = 5000 };
    static struct timer kept[MANY], loose;
    unsigned fired = 0;
    uv_loop_t loop;
    timers t;
    CHECK(uv_loop_init(&loop) == 0 && timers_init(&t, &loop));
    CHECK(timers_reserve(&t, MANY));
    no_tables = true;
    loose = (struct timer){.fn = on_timer, .arg = &fired};
    while (timers_start(&t, &loose, 1)) loose = (struct timer){.fn = on_timer, .arg = &fired};
    size_t before = t.count;
    for (size_t i = 0; i < MANY; i++) {
        kept[i] = (struct timer){.fn = on_timer, .arg = &fired, .has_reserve = true};
        CHECK(timers_start(&t, &kept[i], 1));
        CHECK(timers_hasten(&t, &kept[i], 0));
    }
    CHECK_INT(t.count, before + MANY);
    for (size_t i = 0; i < MANY; i++) timers_stop(&t, &kept[i]);
    CHECK(!timers_reserve(&t, MANY));
    timers_unreserve(&t, MANY);
    CHECK_INT(t.reserved_started, 0);
    no_tables = false;
    timers_close(&t);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
}

/* On purpose, where nobody can be refused: with one line, and the code by which a supervisor starts the next. */
static void test_end(void)
{
    char said[256] = "";
    int ends[2], status;
    CHECK(pipe(ends) == 0);
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        want_end("the test");
    }
    close(ends[1]);
    CHECK(read(ends[0], said, sizeof said - 1) > 0);
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), WANT_EXIT);
    CHECK_STR(said, "stepwell: out of memory for the test: the process ends, and its runs go on in the next\n");
}

static const check_case cases[] = {{"a handler is called again", test_handler},
                                   {"a text that cannot be read for that is no mistake", test_json},
                                   {"an attempt is made again", test_attempt},
                                   {"a result that cannot be kept is made again", test_result},
                                   {"no code goes on with a result that is lost", test_lost_result},
                                   {"a stream has all its frames, by their numbers", test_frames},
                                   {"no letter goes with an end that is lost", test_letters},
                                   {"a plain request gets 503", test_plain},
                                   {"a question to the store is refused", test_store},
                                   {"a letter that cannot be read is read again", test_letter},
                                   {"a client that is refused has begun nothing", test_client},
                                   {"a connection whose run cannot be read waits for the next worker", test_taken_back},
                                   {"a timer with a place of its own starts", test_timers},
                                   {"the process ends with one line", test_end}};
CHECK_MAIN(cases)
