/* campaign_program: the program that the campaign kills. What a step does to the world is a line in a ledger, a file
 * that all workers append to and that the test reads when all is over. A line is one of
 *
 *   B n run step attempt key value   an attempt of the step begins, and will return the value
 *   C n run step                     its result is on disk
 *   R n run                          its client has the response (written by the test)
 *
 * where n is the test's number of the request. */
#ifndef TESTS_CAMPAIGN_PROGRAM_H
#define TESTS_CAMPAIGN_PROGRAM_H

#include <stdarg.h>
#include <sys/random.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum {
    WORK_STEPS = 4,
    NEST_BRANCHES = 3,
    NEST_STEPS = 2,
    TELL_STEPS = 5,
    TELL_CHUNKS = 4,
    TELL_BYTES = 1500,
    TIED_STEPS = 6,
    LONG_STEPS = 2000,
    SLEEP_MS = 400
};

static int ledger = -1;

__attribute__((format(printf, 1, 2))) static void ledger_add(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    CHECK(len > 0 && (size_t)len < sizeof line && write(ledger, line, (size_t)len) == len);
}

static void ledger_open(void)
{
    ledger = open(getenv("LEDGER"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    CHECK(ledger >= 0);
}

static char pattern(int64_t n, size_t i) { return (char)('a' + (i * 7 + (i >> 8) + (size_t)n) % 26); }

static void chunk_text(int64_t n, int step, int chunk, char text[TELL_BYTES + 32])
{
    int len = snprintf(text, 32, "%lld-%d-%d:", (long long)n, step, chunk);
    for (int i = 0; i < TELL_BYTES; i++) text[len + i] = pattern(n + step + chunk, (size_t)i);
    text[len + TELL_BYTES] = 0;
}

/* ---- Steps ---- */

static int64_t number(sw_ctx *c) { return strtoll(sw_param(c, "n"), NULL, 10); }

static sw_value input_of(sw_ctx *c, const char *name, int pace_ms)
{
    return sw_map(c, "name", sw_str(c, name), "n", sw_int(number(c)), "pace", sw_int(pace_ms), NULL);
}

static sw_value act(sw_ctx *c, sw_value input)
{
    int64_t value = 0, n = sw_as_int(sw_get(input, "n"), 0), told = sw_as_int(sw_get(input, "tells"), -1);
    const char *name = sw_cstr(c, sw_get(input, "name"));
    char text[TELL_BYTES + 32];
    if (getrandom(&value, sizeof value - 2, 0) != (ssize_t)sizeof value - 2) sw_fail(c, "no random bytes");
    ledger_add("B %lld %s %s %d %s %lld\n", (long long)n, sw_run_id(c), name, sw_attempt(c), sw_step_key(c),
               (long long)value);
    if (sw_as_bool(sw_get(input, "stumbles"), false) && sw_attempt(c) == 1) sw_fail_after(c, 5, "not yet");
    for (int i = 0; told >= 0 && i < TELL_CHUNKS; i++) {
        chunk_text(n, (int)told, i, text);
        sw_push_chunk(c, sw_str(c, text));
        sw_sleep(c, "pace", 5);
    }
    sw_sleep(c, "pace", sw_as_int(sw_get(input, "pace"), 0));
    return sw_int(value);
}

static sw_value act_sync(sw_ctx *c, const char *name, sw_value input)
{
    sw_value v = sw_step_with(c, name, act, input, &(sw_step_options){.sync = true, .retries = 20});
    ledger_add("C %lld %s %s\n", (long long)number(c), sw_run_id(c), name);
    return v;
}

/* "n run value value ..." */
static void reply_values(sw_ctx *c, sw_value values)
{
    const char *text = sw_printf(c, "%lld %s", (long long)number(c), sw_run_id(c));
    for (size_t i = 0; i < sw_len(values); i++)
        text = sw_printf(c, "%s %lld", text, (long long)sw_as_int(sw_at(values, i), -1));
    sw_bytes body = sw_body(c);
    sw_reply_header(c, "X-Echo", sw_query(c, "echo") ? "yes" : "no");
    if (!sw_query(c, "echo")) {
        sw_reply_text(c, 200, "%s\n", text);
        return;
    }
    size_t len = strlen(text) + 1 + body.len;
    char *all = sw_alloc(c, len + 1);
    snprintf(all, len, "%s\n", text);
    memcpy(all + len - body.len, body.data, body.len);
    sw_reply(c, 200, "text/plain", all, len);
}

/* ---- Endpoints ---- */

static void on_pid(sw_ctx *c) { sw_reply_text(c, 200, "%lld", (long long)getpid()); }

static void on_plain(sw_ctx *c)
{
    sw_sleep(c, "pace", number(c) % 20);
    sw_reply_text(c, 200, "plain %lld\n", (long long)number(c));
}

static void on_work(sw_ctx *c)
{
    sw_value values = sw_nil();
    for (int k = 0; k < WORK_STEPS; k++) {
        const char *name = sw_printf(c, "w%d", k);
        sw_value input = input_of(c, name, (int)(number(c) * (k + 1) % 40));
        sw_set(c, &input, "stumbles", sw_bool(k == 3));
        sw_push(c, &values, k % 2 ? act_sync(c, name, input) : sw_step(c, name, act, input));
    }
    reply_values(c, values);
}

static sw_value nest_branch(sw_ctx *c, sw_value input)
{
    int64_t b = sw_as_int(input, 0);
    sw_value values = sw_nil();
    for (int k = 0; k < NEST_STEPS; k++) {
        const char *name = sw_printf(c, "b%lld-%d", (long long)b, k);
        sw_push(c, &values, sw_step(c, name, act, input_of(c, name, (int)(number(c) % 30))));
    }
    sw_group *g = sw_group_new(c);
    for (int k = 0; k < NEST_STEPS; k++) {
        const char *name = sw_printf(c, "g%lld-%d", (long long)b, k);
        sw_group_step(g, name, act, input_of(c, name, (int)(number(c) % 20)));
    }
    sw_value inner = sw_group_wait(g);
    for (size_t k = 0; k < sw_len(inner); k++) sw_push(c, &values, sw_at(inner, k));
    return values;
}

static void on_nest(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_value flat = sw_nil();
    for (int b = 0; b < NEST_BRANCHES; b++) sw_group_branch(g, sw_printf(c, "b%d", b), nest_branch, sw_int(b));
    sw_value all = sw_group_wait(g);
    for (size_t b = 0; b < sw_len(all); b++)
        for (size_t k = 0; k < sw_len(sw_at(all, b)); k++) sw_push(c, &flat, sw_at(sw_at(all, b), k));
    reply_values(c, flat);
}

static void on_sleep(sw_ctx *c)
{
    sw_value values = sw_nil();
    sw_push(c, &values, act_sync(c, "a", input_of(c, "a", 0)));
    sw_sleep(c, "night", SLEEP_MS);
    sw_push(c, &values, sw_step(c, "z", act, input_of(c, "z", 0)));
    reply_values(c, values);
}

static void on_tell(sw_ctx *c)
{
    sw_value values = sw_nil();
    for (int k = 0; k < TELL_STEPS; k++) {
        const char *name = sw_printf(c, "t%d", k);
        sw_value input = input_of(c, name, (int)(number(c) % 20));
        sw_set(c, &input, "tells", sw_int(k));
        sw_push(c, &values, sw_step(c, name, act, input));
    }
    reply_values(c, values);
}

static void do_steps(sw_ctx *c, int count, int pace_ms)
{
    sw_value values = sw_nil();
    for (int k = 0; k < count; k++) {
        const char *name = sw_printf(c, "l%d", k);
        sw_push(c, &values, sw_step(c, name, act, input_of(c, name, pace_ms)));
    }
    reply_values(c, values);
}

/* Somebody ends it. */
static void on_long(sw_ctx *c) { do_steps(c, LONG_STEPS, 20); }

static void on_tied(sw_ctx *c) { do_steps(c, TIED_STEPS, 20); }

static int campaign_serve(int argc, char **argv)
{
    ledger_open();
    sw_app *app = sw_app_new("campaign");
    sw_endpoint_options tied = {.on_disconnect = SW_CANCEL};
    sw_route(app, "GET /pid", on_pid);
    sw_route(app, "GET /plain/:n", on_plain);
    sw_endpoint(app, "POST /work/:n", on_work, NULL);
    sw_endpoint(app, "POST /nest/:n", on_nest, NULL);
    sw_endpoint(app, "POST /sleep/:n", on_sleep, NULL);
    sw_endpoint(app, "POST /long/:n", on_long, NULL);
    sw_endpoint(app, "GET /tell/:n", on_tell, NULL);
    sw_endpoint(app, "GET /tied/:n", on_tied, &tied);
    sw_endpoint(app, "GET /endless/:n", on_long, &tied);
    return sw_main(app, argc, argv);
}

#endif
