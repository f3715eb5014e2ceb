/* service: the endpoints that script/bench measures: a plain route, 1 and 10 durable steps, a step after a choice,
 * steps with large inputs, fan-outs of 20 calls, of 1,000 steps and of 10,000 children, the research agent's calls,
 * runs that wait on a call, in a step, for a moment, for a signal or asleep, one that computes, one that streams, one
 * with a large result. An ordinary program on <stepwell.h>. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>
#include <time.h>

enum {
    FAN = 20,
    TEN = 10,
    WIDE = 1000,
    CHILDREN = 10000,
    LARGE_BYTES = 100000,
    COMPUTE_MS = 50,
    HANG_MS = 120000,
    CHUNKS = 64,
    CHUNK_BYTES = 16384,
    INPUT_BYTES = 4 << 20,
    SMALL_INPUT_BYTES = 1024,
    WORD_BYTES = 64,
    TOKENS = 1000000,
    TOKEN_BYTES = 96,
    BODY_BYTES = 1 << 20
};

static sw_app *app;

static sw_value number(sw_ctx *c, sw_value input)
{
    (void)c;
    return sw_int(sw_as_int(input, 0) + 1);
}

static void on_plain(sw_ctx *c) { sw_reply(c, 200, "text/plain", "Hello, world!", 13); }

static void steps(sw_ctx *c, int count)
{
    sw_value n = sw_int(0);
    for (int i = 0; i < count; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "step-%d", i);
        n = sw_step(c, id, number, n);
    }
    sw_reply_json(c, 200, sw_map(c, "ok", n, NULL));
}

/* A few runs that lists look for among very many of on_one. */
static void on_rare(sw_ctx *c)
{
    sw_label(c, "topic", "bees");
    steps(c, 1);
}

static void on_fail(sw_ctx *c) { sw_fail_fatal(c, "card 4711 was declined"); }

static void on_one(sw_ctx *c) { steps(c, 1); }
static void on_ten(sw_ctx *c) { steps(c, TEN); }

/* One step, as above, that may not begin before the time is on disk. */
static void on_choice(sw_ctx *c)
{
    int64_t now = sw_now(c);
    sw_value n = sw_step(c, "step-0", number, sw_int(0));
    sw_reply_json(c, 200, sw_map(c, "ok", n, "after", sw_bool(now > 0), NULL));
}

/* Inputs made by hand, once: a step borrows what it is given, so that nothing is copied. */
static sw_value string_input, strings_input, small_input;

static void make_inputs(void)
{
    enum { WORDS = INPUT_BYTES / WORD_BYTES };
    char *text = malloc(INPUT_BYTES);
    msgpack_object *words = calloc(WORDS, sizeof *words);
    if (!text || !words) exit(1);
    memset(text, 'x', INPUT_BYTES);
    string_input = (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {INPUT_BYTES, text}};
    small_input = (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {SMALL_INPUT_BYTES, text}};
    for (size_t i = 0; i < WORDS; i++) words[i] = (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {WORD_BYTES, text}};
    strings_input = (sw_value){.type = MSGPACK_OBJECT_ARRAY, .via.array = {WORDS, words}};
}

static sw_value take(sw_ctx *c, sw_value input)
{
    (void)c;
    return sw_int((int64_t)sw_len(input));
}

/* ?of=string, ?of=strings: 4 MiB; else 1 KiB. */
static void on_input(sw_ctx *c)
{
    const char *of = sw_query(c, "of");
    sw_value input = !of ? small_input : strcmp(of, "string") == 0 ? string_input : strings_input;
    sw_reply_json(c, 200, sw_step(c, "take", take, input));
}

/* The service that is called, on the next of so many hosts: 127.0.0.1, 127.0.0.2, ... */
static const char *upstream_of(sw_ctx *c, int64_t hosts)
{
    static atomic_uint next;
    static const char first[] = "127.0.0.1";
    const char *url = sw_flag_value(app, "upstream"), *at = hosts > 1 ? strstr(url, first) : NULL;
    if (!at) return url;
    int host = 1 + (int)(atomic_fetch_add(&next, 1) % (unsigned)hosts);
    return sw_printf(c, "%.*s127.0.0.%d%s", (int)(at - url), url, host, at + sizeof first - 1);
}

/* Input: how many hosts there are; nil: one. */
static sw_value fetch(sw_ctx *c, sw_value input)
{
    const char *url = upstream_of(c, sw_as_int(input, 1));
    sw_response r = sw_fetch(c, &(sw_request){.url = url, .timeout_ms = 600000});
    if (r.status < 200 || r.status > 299) sw_fail(c, "status %d", r.status);
    return sw_int((int64_t)r.body.len);
}

/* ?width=: how many calls at once, 20 by default; ?hosts=: to how many hosts. */
static void on_fan(sw_ctx *c)
{
    const char *width = sw_query(c, "width"), *hosts = sw_query(c, "hosts");
    int count = width ? atoi(width) : FAN;
    sw_value input = hosts ? sw_int(atoi(hosts)) : sw_nil();
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < count; i++) sw_group_step(g, "call", fetch, input);
    sw_reply_json(c, 200, sw_int((int64_t)sw_len(sw_group_wait(g))));
}

/* One query of the research agent: a search, then what its sources teach. */
static sw_value query(sw_ctx *c, sw_value input)
{
    sw_value found = sw_step(c, "search", fetch, input);
    return sw_map(c, "found", found, "taught", sw_step(c, "learn", fetch, input), NULL);
}

/* The research agent's calls: a plan, two levels of queries, a report. ?hosts=: to how many hosts. */
static void on_research(sw_ctx *c)
{
    static const int queries[] = {4, 8};
    const char *hosts = sw_query(c, "hosts");
    sw_value input = hosts ? sw_int(atoi(hosts)) : sw_nil();
    (void)sw_step(c, "plan", fetch, input);
    for (size_t level = 0; level < sizeof queries / sizeof queries[0]; level++) {
        sw_group *g = sw_group_new(c);
        for (int i = 0; i < queries[level]; i++) sw_group_branch(g, "query", query, input);
        (void)sw_group_wait(g);
    }
    sw_reply_json(c, 200, sw_step(c, "report", fetch, input));
}

static void on_wait(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "call", fetch, sw_nil())); }

/* Five steps, then asleep for ?ms=, an hour by default. */
static void on_sleep(sw_ctx *c)
{
    sw_value n = sw_nil();
    const char *ms = sw_query(c, "ms");
    for (int i = 0; i < 5; i++) n = sw_step(c, "before", number, sw_int(i));
    sw_sleep(c, "long", ms ? atoll(ms) : 3600 * 1000);
    sw_reply_json(c, 200, n);
}

/* ?steps= so many, then waits for the signal `go`, and says when its handler went on, in Unix microseconds. */
static void on_signalled(sw_ctx *c)
{
    struct timespec now;
    const char *count = sw_query(c, "steps");
    for (int i = count ? atoi(count) : 0; i > 0; i--) (void)sw_step(c, "before", number, sw_int(i));
    (void)sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, NULL);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    sw_reply_json(c, 200, sw_map(c, "at_us", sw_int((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000)));
}

/* ?count= so many runs of a function at once, 10,000 by default. */
static void on_children(sw_ctx *c)
{
    const char *count = sw_query(c, "count");
    sw_group *g = sw_group_new(c);
    for (int i = count ? atoi(count) : CHILDREN; i > 0; i--) sw_group_call(g, "child", "number", sw_int(i));
    sw_reply_json(c, 200, sw_int((int64_t)sw_len(sw_group_wait(g))));
}

/* Bytes that do not compress, as a picture or an embedding would be. */
static sw_value noise(sw_ctx *c, sw_value input)
{
    (void)input;
    unsigned short state[3] = {(unsigned short)sw_random(c), (unsigned short)sw_random(c),
                               (unsigned short)sw_random(c)};
    char *bytes = sw_alloc(c, LARGE_BYTES);
    for (size_t i = 0; i < LARGE_BYTES; i++) bytes[i] = (char)nrand48(state);
    return sw_bin(c, bytes, LARGE_BYTES);
}

static void on_large(sw_ctx *c)
{
    sw_reply_json(c, 200, sw_int((int64_t)sw_len(sw_step(c, "noise", noise, sw_nil()))));
}

static sw_value hang(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "inside the step", HANG_MS);
    return input;
}

/* Waits until a moment of the wall clock, in the step or for its second attempt. */
static sw_value await_moment(sw_ctx *c, sw_value input)
{
    int64_t left_ms = sw_as_int(input, 0) - sw_now(c);
    if (left_ms <= 0) return sw_nil();
    if (sw_query(c, "retry")) sw_fail_after(c, left_ms, "too early");
    sw_sleep(c, "inside the step", left_ms);
    return sw_nil();
}

/* ?at=: Unix milliseconds, so that all of a crowd end at once. */
static void on_until(sw_ctx *c)
{
    const char *at = sw_query(c, "at");
    sw_reply_json(c, 200, sw_step(c, "until", await_moment, sw_int(at ? atoll(at) : 0)));
}

static void on_hang(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "hang", hang, sw_nil())); }

static void on_wide(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < WIDE; i++) sw_group_step(g, "one", number, sw_int(i));
    sw_reply_json(c, 200, sw_int((int64_t)sw_len(sw_group_wait(g))));
}

static sw_value compute(sw_ctx *c, sw_value input)
{
    (void)c;
    struct timespec from, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    do (void)clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < COMPUTE_MS);
    return input;
}

static void on_compute(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "compute", compute, sw_nil())); }

static void on_stream(sw_ctx *c)
{
    char *text = sw_alloc(c, CHUNK_BYTES);
    memset(text, 'x', CHUNK_BYTES);
    for (int i = 0; i < CHUNKS; i++) sw_push_chunk(c, sw_strn(c, text, CHUNK_BYTES));
    sw_reply_json(c, 200, sw_int(CHUNKS));
}

static int64_t monotonic_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Streams as a model's answer would come: a chunk each `period_ms`, with the moment at which it was due. */
static sw_value say_tokens(sw_ctx *c, sw_value period_ms)
{
    int64_t period_us = sw_as_int(period_ms, 100) * 1000, due_us = monotonic_us();
    for (int i = 0; i < TOKENS; i++, due_us += period_us) {
        char text[TOKEN_BYTES];
        int64_t left_us = due_us - monotonic_us();
        if (left_us > 0) sw_sleep(c, "until it is due", (left_us + 999) / 1000);
        (void)snprintf(text, sizeof text, "due=%lld and some words that a model says", (long long)due_us);
        sw_push_chunk(c, sw_str(c, text));
    }
    return sw_int(TOKENS);
}

/* ?period_ms=, 100 by default. */
static void on_tokens(sw_ctx *c)
{
    const char *ms = sw_query(c, "period_ms");
    sw_reply_json(c, 200, sw_step(c, "tokens", say_tokens, sw_int(ms ? atoll(ms) : 100)));
}

/* A response of 1 MiB, for clients that are slow to read it. */
static void on_body(sw_ctx *c)
{
    char *text = sw_alloc(c, BODY_BYTES);
    memset(text, 'x', BODY_BYTES);
    sw_reply(c, 200, "text/plain", text, BODY_BYTES);
}

int main(int argc, char **argv)
{
    make_inputs();
    app = sw_app_new("service");
    sw_flag(app, "upstream", "URL", "http://127.0.0.1:1/", "what the steps call");
    sw_route(app, "GET /plain", on_plain);
    sw_route(app, "GET /body", on_body);
    sw_endpoint(app, "GET /body/durable", on_body, NULL);
    sw_endpoint(app, "GET /one", on_one, NULL);
    sw_endpoint(app, "GET /rare", on_rare, &(sw_endpoint_options){.version = "rare"});
    sw_endpoint(app, "GET /fail", on_fail, NULL);
    sw_endpoint(app, "GET /ten", on_ten, NULL);
    sw_endpoint(app, "GET /choice", on_choice, NULL);
    sw_endpoint(app, "GET /input", on_input, NULL);
    sw_endpoint(app, "GET /fan", on_fan, NULL);
    sw_endpoint(app, "GET /research", on_research, NULL);
    sw_endpoint(app, "GET /wait", on_wait, NULL);
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    sw_endpoint(app, "GET /signalled", on_signalled, NULL);
    sw_endpoint(app, "GET /children", on_children, NULL);
    sw_function(app, "number", number, NULL);
    sw_endpoint(app, "GET /large", on_large, NULL);
    sw_endpoint(app, "GET /hang", on_hang, NULL);
    sw_endpoint(app, "GET /until", on_until, NULL);
    sw_endpoint(app, "GET /wide", on_wide, NULL);
    sw_endpoint(app, "GET /compute", on_compute, NULL);
    sw_endpoint(app, "GET /stream", on_stream, NULL);
    sw_endpoint(app, "GET /tokens", on_tokens, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    return sw_main(app, argc, argv);
}
