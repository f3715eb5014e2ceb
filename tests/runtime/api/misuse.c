/* Misuse of contexts, groups and streams fails the run that does it, with what to change; nobody else notices. */
#include <pthread.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int go_on, attempts; /* atomic */
} notes;
static notes *seen;

/* What a handler may keep by mistake; of one run while another uses it. */
static sw_ctx *kept_ctx, *over_ctx;
static sw_group *kept_group;
static sw_stream *kept_stream;
static sw_value wrong_input;
static sw_text wrong_text, kept_text;
static const char *const no_format;

/* ---- Every function that takes a context, called with a wrong one ---- */

static sw_value echo(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static sw_value branch(sw_ctx *c, sw_value v) { return sw_step(c, "inner", echo, v); }
static void nothing(void *arg) { (void)arg; }
static void *blocking(void *arg) { return arg; }

static const sw_request nowhere = {.url = "http://127.0.0.1:1/"};
static const sw_response fine = {.status = 200};
static const sw_response no_answer = {.status = 500};

typedef struct call_of {
    const char *name;
    void (*fn)(sw_ctx *c);
} call_of;

#define CALL(name, expression)                                                                                         \
    static void use_##name(sw_ctx *c) { (void)(expression); }
CALL(method, sw_method(c))
CALL(path, sw_path(c))
CALL(param, sw_param(c, "x"))
CALL(query, sw_query(c, "x"))
CALL(header, sw_header(c, "x"))
CALL(body, sw_body(c).len)
CALL(body_json, sw_body_json(c).type)
CALL(run_id, sw_run_id(c))
CALL(reply, (sw_reply(c, 200, NULL, NULL, 0), 0))
CALL(reply_json, (sw_reply_json(c, 200, sw_nil()), 0))
CALL(reply_text, (sw_reply_text(c, 200, "x"), 0))
CALL(reply_header, (sw_reply_header(c, "a", "b"), 0))
CALL(reply_open, (sw_reply_open(c, 200, NULL), 0))
CALL(reply_write, sw_reply_write(c, "x", 1))
CALL(reply_abort, (sw_reply_abort(c), 0))
CALL(str, sw_str(c, "x").type)
CALL(str_null, sw_str(c, NULL).type)
CALL(strn, sw_strn(c, "x", 1).type)
CALL(strf, sw_strf(c, "x").type)
CALL(bin, sw_bin(c, "x", 1).type)
CALL(map, sw_map(c, "k", sw_nil(), NULL).type)
CALL(array, sw_array(c, 1, sw_nil()).type)
CALL(push, (sw_push(c, &wrong_input, sw_nil()), 0))
CALL(set, (sw_set(c, &wrong_input, "k", sw_nil()), 0))
CALL(cstr, sw_cstr(c, sw_nil()))
CALL(json_parse, sw_json_parse(c, "1", 1).type)
CALL(json_try, sw_json_try(c, "1", 1, NULL, NULL))
CALL(json, sw_json(c, sw_nil()).len)
CALL(alloc, sw_alloc(c, 1))
CALL(printf, sw_printf(c, "x"))
CALL(defer, (sw_defer(c, nothing, NULL), 0))
CALL(step, sw_step(c, "s", echo, sw_nil()).type)
CALL(attempt, sw_attempt(c))
CALL(step_key, sw_step_key(c))
CALL(try, sw_try(c, "s", echo, sw_nil(), NULL, NULL))
CALL(each, sw_each(c, "s", echo, sw_nil(), 0).type)
CALL(group_new, sw_group_new(c))
CALL(fail, (sw_fail(c, "x"), 0))
CALL(fail_after, (sw_fail_after(c, 1, "x"), 0))
CALL(fail_fatal, (sw_fail_fatal(c, "x"), 0))
CALL(each_with, sw_each_with(c, "s", echo, sw_nil(), NULL).type)
CALL(group_new_with, sw_group_new_with(c, NULL))
CALL(text_add, (sw_text_add(c, &wrong_text, "x"), 0))
CALL(text_add_bytes, (sw_text_add_bytes(c, &wrong_text, "x", 1), 0))
CALL(fetch, sw_fetch(c, &nowhere).status)
CALL(fetch_json, sw_fetch_json(c, &nowhere).type)
CALL(response_check, (sw_response_check(c, &nowhere, &fine), 0))
CALL(fetch_open, sw_fetch_open(c, &nowhere))
CALL(push_chunk, (sw_push_chunk(c, sw_nil()), 0))
CALL(sleep, (sw_sleep(c, "z", 1), 0))
CALL(sleep_until, (sw_sleep_until(c, "z", 1), 0))
CALL(wait_for, sw_wait_for(c, "z", &(sw_wait){.signal = "s", .timeout_ms = 1}, NULL))
CALL(signal_url, sw_signal_url(c, "q", "s", NULL))
CALL(now, sw_now(c))
CALL(random, sw_random(c))
CALL(blocking, sw_blocking(c, blocking, NULL))
CALL(log, (sw_log(c, "x"), 0))

#define ROW(name) {#name, use_##name}
static const call_of calls[] = {
    ROW(method),         ROW(path),        ROW(param),         ROW(query),      ROW(header),      ROW(body),
    ROW(body_json),      ROW(run_id),      ROW(reply),         ROW(reply_json), ROW(reply_text),  ROW(reply_header),
    ROW(reply_open),     ROW(reply_write), ROW(reply_abort),   ROW(str),        ROW(str_null),    ROW(strn),
    ROW(strf),           ROW(bin),         ROW(map),           ROW(array),      ROW(push),        ROW(set),
    ROW(cstr),           ROW(json_parse),  ROW(json_try),      ROW(json),       ROW(alloc),       ROW(printf),
    ROW(defer),          ROW(step),        ROW(attempt),       ROW(step_key),   ROW(try),         ROW(each),
    ROW(group_new),      ROW(fail),        ROW(fail_after),    ROW(fail_fatal), ROW(fetch),       ROW(fetch_json),
    ROW(response_check), ROW(fetch_open),  ROW(push_chunk),    ROW(sleep),      ROW(sleep_until), ROW(wait_for),
    ROW(signal_url),     ROW(now),         ROW(random),        ROW(blocking),   ROW(log),         ROW(each_with),
    ROW(group_new_with), ROW(text_add),    ROW(text_add_bytes)};
enum { CALLS = sizeof calls / sizeof calls[0] };

static const call_of *wanted(sw_ctx *c) { return &calls[atoi(sw_query(c, "call"))]; }

/* ---- Places where a context is wrong ---- */

static const call_of *about;

static sw_value in_step(sw_ctx *c, sw_value v)
{
    over_ctx = c;
    about->fn(kept_ctx); /* the handler's */
    return v;
}

static sw_value in_branch(sw_ctx *c, sw_value v)
{
    (void)c;
    about->fn(kept_ctx); /* the handler's, which waits on another strand */
    return v;
}

static void *on_thread(void *arg)
{
    about->fn(arg);
    return arg;
}

static sw_value block_with_context(sw_ctx *c, sw_value v)
{
    seen->attempts++;
    sw_blocking(c, on_thread, c);
    return v;
}

static void on_wrong(sw_ctx *c)
{
    about = wanted(c);
    const char *place = sw_query(c, "place");
    if (strcmp(place, "none") == 0) about->fn(NULL);
    if (strcmp(place, "over") == 0) about->fn(over_ctx); /* of a step that has ended, perhaps on this very stack */
    kept_ctx = c;
    if (strcmp(place, "step") == 0) sw_step(c, "s", in_step, sw_nil());
    if (strcmp(place, "thread") == 0) sw_step(c, "t", block_with_context, sw_nil());
    if (strcmp(place, "branch") == 0) {
        sw_group *g = sw_group_new(c);
        sw_group_branch(g, "b", in_branch, sw_nil());
        sw_group_wait(g);
    }
    sw_reply_text(c, 200, "went on");
}

/* Another run is waiting meanwhile: its context is alive, and not this run's. */
static void on_other(sw_ctx *c)
{
    kept_ctx = c;
    sw_step(c, "wait", echo, sw_nil());
    kept_group = sw_group_new(c);
    __atomic_store_n(&seen->attempts, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&seen->go_on, __ATOMIC_ACQUIRE)) sw_sleep(c, "z", 5);
    sw_group_wait(kept_group);
    sw_reply_text(c, 200, "undisturbed");
}

static void on_victim(sw_ctx *c)
{
    wanted(c)->fn(kept_ctx);
    sw_reply_text(c, 200, "went on");
}

/* ---- Groups and streams ---- */

static sw_value use_group(sw_ctx *c, sw_value v)
{
    (void)c;
    sw_group_step(kept_group, "x", echo, sw_nil());
    return v;
}

static sw_value wait_group(sw_ctx *c, sw_value v)
{
    (void)c;
    return sw_group_settle(kept_group), v;
}

static sw_value join_group(sw_ctx *c, sw_value v)
{
    (void)c;
    sw_group_join(kept_group);
    return v;
}

static void on_group(sw_ctx *c)
{
    const char *what = sw_query(c, "what");
    if (strcmp(what, "other run") == 0) sw_group_wait(kept_group);
    if (strcmp(what, "nothing") == 0) sw_group_branch(NULL, "x", branch, sw_nil());
    kept_group = sw_group_new(c);
    sw_group *g = sw_group_new(c);
    if (strcmp(what, "branch") == 0) sw_group_branch(g, "b", use_group, sw_nil());
    if (strcmp(what, "branch waits") == 0) sw_group_branch(g, "b", wait_group, sw_nil());
    if (strcmp(what, "step") == 0) sw_step(c, "s", use_group, sw_nil());
    if (strcmp(what, "branch joins") == 0) sw_group_branch(g, "b", join_group, sw_nil());
    if (strcmp(what, "join nothing") == 0) sw_group_join(NULL);
    sw_group_wait(g);
    if (strcmp(what, "twice") == 0) sw_group_wait(g);
    if (strcmp(what, "late") == 0) sw_group_step(g, "x", echo, sw_nil());
    if (strcmp(what, "late wait") == 0) sw_group_wait_for(g, "x", &(sw_wait){.signal = "s"});
    if (strcmp(what, "late sleep") == 0) sw_group_sleep(g, "x", 1);
    if (strcmp(what, "late sleep until") == 0) sw_group_sleep_until(g, "x", 1);
    if (strcmp(what, "late any") == 0) sw_group_any(g, "x", NULL);
    sw_reply_text(c, 200, "went on");
}

/* ---- What another run has caught ---- */

static const sw_caught *kept_caught; /* atomic */

static void sleep_long(void *arg) { sw_sleep(arg, "nap", 3600000); }

static void on_park(sw_ctx *c)
{
    const sw_caught *caught = sw_guard(sleep_long, c);
    __atomic_store_n(&kept_caught, caught, __ATOMIC_RELEASE);
    if (caught) sw_rethrow(caught);
}

static void on_rethrow(sw_ctx *c)
{
    const sw_caught *caught = __atomic_load_n(&kept_caught, __ATOMIC_ACQUIRE);
    if (caught) sw_rethrow(caught);
    sw_reply_text(c, 200, "no run has left memory yet");
}

static sw_value open_stream(sw_ctx *c, sw_value v)
{
    kept_stream = sw_fetch_open(c, &(sw_request){.url = sw_cstr(c, v)});
    return sw_nil();
}

static sw_value use_stream(sw_ctx *c, sw_value v)
{
    (void)c;
    sw_sse e;
    if (sw_as_int(v, 0) == 0) sw_fetch_head(kept_stream);
    if (sw_as_int(v, 0) == 1) sw_fetch_read(kept_stream);
    if (sw_as_int(v, 0) == 2) sw_sse_next(kept_stream, &e);
    if (sw_as_int(v, 0) == 3) sw_fetch_close(kept_stream);
    return v;
}

static void on_stream(sw_ctx *c)
{
    sw_step(c, "open", open_stream, sw_str(c, sw_query(c, "url")));
    sw_step(c, "use", use_stream, sw_int(atoi(sw_query(c, "n"))));
    sw_reply_text(c, 200, "went on");
}

/* ---- Clean-ups and missing arguments ---- */

static void wait_in_cleanup(void *arg) { sw_sleep(arg, "late", 1); }
static void step_in_cleanup(void *arg) { sw_step(arg, "late", echo, sw_nil()); }

static sw_value with_cleanup(sw_ctx *c, sw_value v)
{
    seen->attempts++;
    sw_defer(c, wait_in_cleanup, c);
    return v;
}

static sw_value missing_call(sw_ctx *c, sw_value what)
{
    sw_sse *no_event = NULL;
    if (sw_str_equal(what, "request")) sw_fetch(c, NULL);
    if (sw_str_equal(what, "json request")) sw_fetch_json(c, NULL);
    if (sw_str_equal(what, "url")) sw_fetch_json(c, &(sw_request){.method = "GET"});
    if (sw_str_equal(what, "stream request")) sw_fetch_open(c, NULL);
    if (sw_str_equal(what, "checked request")) sw_response_check(c, NULL, &no_answer);
    if (sw_str_equal(what, "response")) sw_response_check(c, &nowhere, NULL);
    if (sw_str_equal(what, "wait in step")) sw_wait_for(c, "w", &(sw_wait){.signal = "s"}, NULL);
    if (sw_str_equal(what, "question in step")) sw_signal_url(c, "q", "s", NULL);
    if (sw_str_equal(what, "work")) sw_blocking(c, NULL, NULL);
    if (sw_response_header(NULL, "x", c) || sw_response_header(&fine, NULL, c)) abort();
    if (sw_str_equal(what, "outer text")) sw_text_add(c, &kept_text, "x");
    if (sw_str_equal(what, "event")) sw_sse_next(sw_fetch_open(c, &(sw_request){.url = sw_query(c, "url")}), no_event);
    return what;
}

static void missing_of_members(sw_group *g, const char *what)
{
    if (strcmp(what, "member wait id") == 0) sw_group_wait_for(g, "", &(sw_wait){.signal = "s"});
    if (strcmp(what, "member wait") == 0) sw_group_wait_for(g, "w", NULL);
    if (strcmp(what, "member signal name") == 0) sw_group_wait_for(g, "w", &(sw_wait){.signal = ""});
    if (strcmp(what, "member wait twice") == 0)
        sw_group_wait_for(g, "w", &(sw_wait){.signal = "s", .timeout_ms = 1, .until_ms = 1});
    if (strcmp(what, "member sleep id") == 0) sw_group_sleep(g, NULL, 1);
    if (strcmp(what, "any of none") == 0) sw_group_any(g, "x", NULL);
    if (strcmp(what, "any twice") == 0) {
        sw_group_sleep(g, "now", 0);
        if (sw_group_any(g, "x", NULL) == 0) sw_group_any(g, "x", NULL);
    }
    if (strcmp(what, "any id") == 0) {
        sw_group_sleep(g, "now", 0);
        sw_group_any(g, "", NULL);
    }
    if (strcmp(what, "member sleep until id") == 0) sw_group_sleep_until(g, "", 1);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* no format is what is tried */
static void missing_more(sw_ctx *c, const char *what)
{
    sw_value nil = sw_nil();
    kept_text = (sw_text){0};
    sw_text_add(c, &kept_text, "begun");
    sw_step(c, "call", missing_call, sw_str(c, what));
    if (strcmp(what, "map") == 0) sw_set(c, NULL, "key", nil);
    if (strcmp(what, "growing text") == 0) sw_text_add(c, NULL, "x");
    if (strcmp(what, "bytes") == 0) sw_text_add_bytes(c, &kept_text, NULL, 3);
    if (strcmp(what, "vast bytes") == 0) sw_text_add_bytes(c, &kept_text, what, SIZE_MAX - 10);
    if (strcmp(what, "sleep") == 0) sw_sleep(c, NULL, 1);
    if (strcmp(what, "wait id") == 0) sw_wait_for(c, NULL, &(sw_wait){.signal = "s"}, NULL);
    if (strcmp(what, "wait") == 0) sw_wait_for(c, "w", NULL, NULL);
    if (strcmp(what, "signal") == 0) sw_wait_for(c, "w", &(sw_wait){.timeout_ms = 1}, NULL);
    if (strcmp(what, "signal name") == 0) sw_wait_for(c, "w", &(sw_wait){.signal = "a\nb"}, NULL);
    if (strcmp(what, "wait twice") == 0)
        sw_wait_for(c, "w", &(sw_wait){.signal = "s", .timeout_ms = 1, .until_ms = 1}, NULL);
    missing_of_members(sw_group_new(c), what);
    if (strcmp(what, "any settled") == 0) {
        sw_group *g = sw_group_new_with(c, &(sw_group_options){.settle = true});
        sw_group_sleep(g, "now", 0);
        sw_group_any(g, "x", NULL);
    }
    if (strcmp(what, "printf") == 0) sw_printf(c, no_format, 1);
    if (strcmp(what, "strf") == 0) sw_strf(c, no_format, 1);
    if (strcmp(what, "log") == 0) sw_log(c, no_format, 1);
    if (strcmp(what, "reply_text") == 0) sw_reply_text(c, 200, no_format, 1);
    if (strcmp(what, "text_add") == 0) sw_text_add(c, &kept_text, no_format, 1);
    if (strcmp(what, "fail") == 0) sw_fail(c, no_format, 1);
    if (strcmp(what, "fail_after") == 0) sw_fail_after(c, 1, no_format, 1);
    if (strcmp(what, "fail_fatal") == 0) sw_fail_fatal(c, no_format, 1);
}
#pragma GCC diagnostic pop

static void missing_question(sw_ctx *c, const char *what)
{
    static const char *const twice[] = {"a", "b", "a", NULL}, *const empty[] = {"", NULL};
    if (strcmp(what, "question id") == 0) sw_signal_url(c, NULL, "s", NULL);
    if (strcmp(what, "question signal") == 0) sw_signal_url(c, "q", NULL, NULL);
    if (strcmp(what, "question dots") == 0) sw_signal_url(c, "q", "..", NULL);
    if (strcmp(what, "question anew") == 0) sw_signal_url(c, "q", "other", NULL);
    for (int i = 0; i < 2 && strcmp(what, "question anew") == 0; i++) sw_signal_url(c, "q", "s", NULL);
    if (strcmp(what, "question text") == 0) sw_signal_url(c, "q", "s", &(sw_question){.text = "\xff"});
    if (strcmp(what, "choice twice") == 0) sw_signal_url(c, "q", "s", &(sw_question){.choices = twice});
    if (strcmp(what, "empty choice") == 0) sw_signal_url(c, "q", "s", &(sw_question){.choices = empty});
}

static void on_missing(sw_ctx *c)
{
    const char *what = sw_query(c, "what");
    sw_value map = sw_nil();
    if (strcmp(what, "cleanup waits") == 0) sw_step(c, "s", with_cleanup, sw_nil());
    if (strcmp(what, "cleanup steps") == 0) sw_defer(c, step_in_cleanup, c);
    if (strcmp(what, "step") == 0) sw_step(c, "s", NULL, sw_nil());
    if (strcmp(what, "each") == 0) sw_each(c, "s", NULL, sw_array(c, 1, sw_nil()), 0);
    if (strcmp(what, "branch") == 0) sw_group_branch(sw_group_new(c), "b", NULL, sw_nil());
    if (strcmp(what, "key") == 0) sw_set(c, &map, NULL, sw_nil());
    if (strcmp(what, "array") == 0) sw_push(c, NULL, sw_nil());
    if (strcmp(what, "defer") == 0) sw_defer(c, NULL, NULL);
    if (strcmp(what, "data") == 0) sw_reply(c, 200, NULL, NULL, 5);
    if (strcmp(what, "bin") == 0) sw_bin(c, NULL, 5);
    if (strcmp(what, "text") == 0) sw_strn(c, NULL, 5);
    if (strcmp(what, "vast") == 0) sw_reply(c, 200, NULL, "x", SIZE_MAX);
    if (strcmp(what, "vast text") == 0) sw_strn(c, "x", SIZE_MAX);
    missing_more(c, what);
    missing_question(c, what);
    if (sw_param(c, NULL) || sw_query(c, NULL) || sw_header(c, NULL) || !sw_is_nil(sw_get(map, NULL))) abort();
    sw_reply_text(c, 200, "went on");
}

/* The text of an attempt that has ended; the next context lies where that one lay. */
static sw_value add_to_arg(sw_ctx *c, sw_value v)
{
    seen->attempts++;
    sw_text_add(c, sw_arg(c), "attempt %d ", sw_attempt(c));
    if (sw_as_bool(v, false) && sw_attempt(c) == 1) sw_fail_after(c, 0, "once more");
    return sw_str(c, sw_text_str(sw_arg(c)));
}

static void on_text(sw_ctx *c)
{
    const char *what = sw_query(c, "what");
    sw_text log = {0};
    sw_step_options options = {.arg = &log};
    sw_step_with(c, "a", add_to_arg, sw_bool(strcmp(what, "attempt") == 0), &options);
    if (strcmp(what, "anew") == 0) log = (sw_text){0};
    sw_value last = sw_step_with(c, "b", add_to_arg, sw_nil(), &options);
    sw_reply_text(c, 200, "%s", sw_cstr(c, last));
}

static void on_parts(sw_ctx *c) { sw_response_check(c, &nowhere, &no_answer); }

/* A thread of the program's own; nothing of the library can unwind it. */
static void *log_on_thread(void *arg)
{
    seen->attempts = 1;
    sw_log(arg, "from a thread");
    seen->attempts = 2;
    return arg;
}

static void on_foreign(sw_ctx *c)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, log_on_thread, c) != 0 || pthread_join(thread, NULL) != 0) abort();
    sw_reply_text(c, 200, "attempts %d", seen->attempts);
}

/* More than a stack has, less than its guard. */
static void on_large(sw_ctx *c)
{
    volatile char frame[70 * 1024];
    frame[0] = sw_method(c)[0];
    sw_reply_text(c, 200, "%c", frame[0]);
}

/* ---- Values of who called a step ---- */

static sw_value push_outer(sw_ctx *c, sw_value v)
{
    seen->attempts++;
    sw_push(c, sw_arg(c), sw_str(c, "of the step"));
    return v;
}

static sw_value set_outer(sw_ctx *c, sw_value v)
{
    seen->attempts++;
    sw_set(c, sw_arg(c), "k", sw_str(c, "of the step"));
    return v;
}

/* Its input is its own, and so is what it allocates. */
static sw_value push_own(sw_ctx *c, sw_value v)
{
    sw_value copy = *(const sw_value *)sw_arg(c), *kept = sw_alloc(c, sizeof *kept);
    *kept = copy;
    sw_push(c, &v, sw_str(c, "of the step"));
    sw_push(c, &copy, v);
    sw_push(c, kept, copy);
    return *kept;
}

/* Handler and branches have one memory. */
static sw_value push_from_branch(sw_ctx *c, sw_value v)
{
    sw_push(c, sw_arg(c), sw_str(c, "of the branch"));
    return v;
}

static void on_outer(sw_ctx *c)
{
    const char *what = sw_query(c, "what");
    sw_value list = sw_array(c, 0), map = sw_nil(), made = sw_nil();
    sw_push(c, &list, sw_int(1));
    if (strcmp(what, "push") == 0) made = sw_step_with(c, "s", push_outer, sw_nil(), &(sw_step_options){.arg = &list});
    if (strcmp(what, "set") == 0) made = sw_step_with(c, "s", set_outer, sw_nil(), &(sw_step_options){.arg = &map});
    if (strcmp(what, "own") == 0) made = sw_step_with(c, "s", push_own, list, &(sw_step_options){.arg = &list});
    if (strcmp(what, "group push") == 0 || strcmp(what, "branch") == 0) {
        sw_group *g = sw_group_new(c);
        if (strcmp(what, "branch") == 0)
            sw_group_branch_arg(g, "b", push_from_branch, sw_nil(), &list);
        else
            sw_group_step_with(g, "s", push_outer, sw_nil(), &(sw_step_options){.arg = &list});
        (void)sw_group_wait(g);
    }
    sw_push(c, &list, sw_int(2));
    sw_reply_json(c, 200, sw_array(c, 2, list, made));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("misuse");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /wrong", on_wrong, NULL);
    sw_route(app, "GET /plain-wrong", on_wrong);
    sw_endpoint(app, "GET /other", on_other, NULL);
    sw_endpoint(app, "GET /victim", on_victim, NULL);
    sw_endpoint(app, "GET /group", on_group, NULL);
    sw_endpoint(app, "GET /park", on_park, NULL);
    sw_endpoint(app, "GET /rethrow", on_rethrow, NULL);
    sw_endpoint(app, "GET /stream", on_stream, NULL);
    sw_endpoint(app, "GET /missing", on_missing, NULL);
    sw_endpoint(app, "GET /text", on_text, NULL);
    sw_endpoint(app, "GET /outer", on_outer, NULL);
    sw_route(app, "GET /parts", on_parts);
    sw_endpoint(app, "GET /foreign", on_foreign, NULL);
    sw_endpoint(app, "GET /large", on_large, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;

static void start(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", NULL};
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void get(const char *path, const char *query)
{
    char url[1024], *escaped = curl_easy_escape(NULL, query, 0);
    snprintf(url, sizeof url, "%s%s%s", server.address, path, escaped);
    curl_free(escaped);
    call(NULL, url, NULL, NULL, 0, &a);
}

static void fails(const char *path, const char *query, const char *message)
{
    get(path, query);
    if (a.status != 500 || !strstr(a.body, message)) printf("# %s%s: %ld %s\n", path, query, a.status, a.body);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, message));
}

static void wrong_everywhere(const char *place, const char *message)
{
    for (int i = 0; i < CALLS; i++) {
        char path[128];
        snprintf(path, sizeof path, "/wrong?call=%d&place=", i);
        fails(path, place, message);
        const char *name = calls[i].name;
        if (strcmp(name, "str_null") == 0) name = "str";
        if (strcmp(name, "each_with") == 0) name = "each";
        if (strcmp(name, "group_new_with") == 0) name = "group_new";
        if (!strstr(a.body, name)) printf("# sw_%s at %s: %s\n", name, place, a.body);
        CHECK(strstr(a.body, name));
    }
}

static void test_contexts(void)
{
    start();
    wrong_everywhere("none", "not the innermost one");
    wrong_everywhere("step", "not the innermost one");
    wrong_everywhere("branch", "not the innermost one");
    wrong_everywhere("over", "not the innermost one");
    fails("/plain-wrong?call=30&place=", "over", "sw_defer was called with a context that is not the innermost one");
    get("/wrong?call=0&place=", "right");
    CHECK_STR(a.body, "went on");
    stop();
}

static void test_threads(void)
{
    start();
    wrong_everywhere("thread", "on the thread of sw_blocking");
    CHECK_INT(seen->attempts, CALLS); /* misuse is not tried again */
    get("/foreign", "");
    CHECK_STR(a.body, "attempts 1"); /* that thread has ended, the process has not */
    stop();
}

static void *ask_other(void *arg)
{
    char url[128];
    snprintf(url, sizeof url, "%s/other", server.address);
    call(NULL, url, NULL, NULL, 20, arg);
    return arg;
}

static void test_other_run(void)
{
    static answer other;
    pthread_t asking;
    start();
    CHECK(pthread_create(&asking, NULL, ask_other, &other) == 0);
    while (!__atomic_load_n(&seen->attempts, __ATOMIC_ACQUIRE)) usleep(1000);
    for (int i = 0; i < CALLS; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        fails("/victim?call=", number, "not the innermost one");
    }
    fails("/group?what=", "other run", "a group that is not open here");
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(asking, NULL) == 0);
    CHECK_INT(other.status, 200);
    CHECK_STR(other.body, "undisturbed");
    stop();
}

static void test_groups(void)
{
    static const char *const what[] = {"nothing",   "branch",     "branch waits",     "step",     "twice",    "late",
                                       "late wait", "late sleep", "late sleep until", "late any", "other run"};
    start();
    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++)
        fails("/group?what=", what[i], "a group that is not open here");
    fails("/group?what=", "branch joins", "a group of another context");
    fails("/group?what=", "join nothing", "a group of another context");
    stop();
}

/* The run that left memory is not the one that is unwound. */
static void test_rethrow(void)
{
    start();
    get("/park", "");
    CHECK_INT(a.status, 303);
    for (get("/rethrow", ""); a.status == 200; get("/rethrow", "")) usleep(10000);
    fails("/rethrow", "", "another context has caught");
    stop();
}

static void test_streams(void)
{
    char path[256];
    start();
    for (int n = 0; n < 4; n++) {
        snprintf(path, sizeof path, "/stream?n=%d&url=%s/", n, server.address);
        fails(path, "_sw/healthz", "a stream that was not opened here");
    }
    stop();
}

static void test_questions(void)
{
    start();
    fails("/missing?what=", "question id", "an empty id");
    fails("/missing?what=", "question signal", "a signal's name is 1 to 128 bytes");
    fails("/missing?what=", "question text", "at most 16384 bytes of UTF-8");
    fails("/missing?what=", "question dots", "out of a URL");
    fails("/missing?what=", "question anew", "wait for that first");
    fails("/missing?what=", "choice twice", "with the choice");
    fails("/missing?what=", "empty choice", "a choice is 1 to 256 bytes");
    fails("/missing?what=", "question in step", "ask before the step");
    stop();
}

static void members_fail(void)
{
    fails("/missing?what=", "member wait id", "a wait with an empty id");
    fails("/missing?what=", "member wait", "sw_group_wait_for \\\"w\\\" without the name of a signal");
    fails("/missing?what=", "member signal name", "a signal's name is 1 to 128 bytes");
    fails("/missing?what=", "member wait twice", "with timeout_ms and until_ms: give it one of them");
    fails("/missing?what=", "member sleep id", "a sleep with an empty id");
    fails("/missing?what=", "member sleep until id", "a sleep with an empty id");
    fails("/missing?what=", "any of none", "of a group without members");
    fails("/missing?what=", "any twice", "a group that is not open here");
    fails("/missing?what=", "any id", "a decision with an empty id");
    fails("/missing?what=", "any settled", "of a group with .settle");
}

static void test_arguments(void)
{
    static const char *const formats[] = {"printf", "strf",       "log",        "reply_text", "text_add",
                                          "fail",   "fail_after", "fail_fatal", NULL};
    start();
    fails("/missing?what=", "cleanup waits", "must not wait");
    CHECK_INT(seen->attempts, 1); /* what the step did before is not done again */
    fails("/missing?what=", "cleanup steps", "must not wait");
    fails("/missing?what=", "step", "without a function");
    fails("/missing?what=", "each", "without a function");
    fails("/missing?what=", "branch", "without a function");
    fails("/missing?what=", "key", "without a key");
    fails("/missing?what=", "array", "without an array");
    fails("/missing?what=", "defer", "without a function");
    fails("/missing?what=", "data", "without data");
    fails("/missing?what=", "bin", "without data");
    fails("/missing?what=", "text", "without a text");
    fails("/missing?what=", "vast", "--run-state-max");
    fails("/missing?what=", "vast text", "msgpack holds at most");
    fails("/parts", "", "answered 500");
    fails("/missing?what=", "map", "without a map");
    fails("/missing?what=", "request", "without a request");
    fails("/missing?what=", "json request", "without a request");
    fails("/missing?what=", "url", "without a url");
    fails("/missing?what=", "stream request", "without a request");
    fails("/missing?what=", "checked request", "without a request");
    fails("/missing?what=", "response", "without a response");
    fails("/missing?what=", "work", "without a function");
    fails("/missing?what=", "outer text", "a text of another context");
    fails("/missing?what=", "growing text", "without a text");
    fails("/missing?what=", "bytes", "without data");
    fails("/missing?what=", "vast bytes", "--run-state-max");
    fails("/missing?what=", "sleep", "an empty id");
    fails("/missing?what=", "wait id", "an empty id");
    fails("/missing?what=", "wait", "without the name of a signal");
    fails("/missing?what=", "signal", "without the name of a signal");
    fails("/missing?what=", "signal name", "a signal's name is 1 to 128 bytes");
    fails("/missing?what=", "wait twice", "give it one of them");
    fails("/missing?what=", "wait in step", "wait before the step");
    members_fail();
    char path[256];
    snprintf(path, sizeof path, "/missing?url=%s/_sw/healthz&what=", server.address);
    fails(path, "event", "without an event");
    for (const char *const *name = formats; *name; name++) fails("/missing?what=", *name, "without a format");
    get("/missing?what=", "none");
    CHECK_STR(a.body, "went on");
    stop();
}

static void test_texts(void)
{
    start();
    fails("/text?what=", "step", "a text of another context");
    CHECK_INT(seen->attempts, 2); /* the step that adds to another's text is not tried again */
    fails("/text?what=", "attempt", "a text of another context");
    CHECK_INT(seen->attempts, 4);
    get("/text?what=", "anew");
    CHECK_STR(a.body, "attempt 1 ");
    stop();
}

static void test_outer(void)
{
    start();
    fails("/outer?what=", "push", "sw_push in step \\\"s\\\" to a value of who called it");
    fails("/outer?what=", "set", "sw_set in step \\\"s\\\" to a value of who called it");
    fails("/outer?what=", "group push", "sw_push in step \\\"s\\\" to a value of who called it");
    CHECK_INT(seen->attempts, 3); /* none is tried again */
    get("/outer?what=", "own");
    CHECK_STR(a.body, "[[1,2],[1,[1,[1,\"of the step\"]]]]");
    get("/outer?what=", "branch");
    CHECK_STR(a.body, "[[1,\"of the branch\",2],null]");
    stop();
}

/* The one mistake that ends the process: who made it is named. */
static void test_large_frame(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    static char said[65536];
    char url[128];
    size_t len = 0;
    int status;
    start();
    snprintf(url, sizeof url, "%s/large", server.address);
    CHECK(!call_try(NULL, url, NULL, NULL, 0, &a));
    for (ssize_t n; (n = read(server.log, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
    CHECK(waitpid(server.pid, &status, 0) == server.pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    close(server.log);
    if (!strstr(said, "stack overflow in GET /large run ")) printf("# %s\n", said);
    CHECK(strstr(said, "stack overflow in GET /large run ") && strstr(said, "its stack of 64 KiB"));
#endif
}

static const check_case cases[] = {{"a context outside its function", test_contexts},
                                   {"a context on a thread of sw_blocking", test_threads},
                                   {"a context of a run that waits", test_other_run},
                                   {"groups of others, and groups that are over", test_groups},
                                   {"what another run has caught", test_rethrow},
                                   {"streams of attempts that are over", test_streams},
                                   {"clean-ups that wait, arguments that are missing", test_arguments},
                                   {"questions", test_questions},
                                   {"texts of attempts that are over", test_texts},
                                   {"values of who called the step", SANITIZED ? NULL : test_outer},
                                   {"a frame larger than the stack", test_large_frame}};

SERVED_MAIN_NOTES(serve, seen, cases)
