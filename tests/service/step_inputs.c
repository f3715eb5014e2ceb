/* What a step was given is shown while its attempt is under way, and when attempts have failed: on the run's page and
 * among its entries, once for all attempts, in this process and the next. */
#include <jansson.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { LONG_BYTES = 16500, HOUR_MS = 3600000, CALLS = 20, WIDE = 20, WIDE_BYTES = 15000, PAGE_BYTES = 128 << 10 };
enum { MANY = 12, MANY_BYTES = 3000 };

typedef struct notes {
    unsigned version; /* which code the program has */
} notes;
static notes *seen;

static const sw_step_options patient = {.backoff_ms = HOUR_MS, .backoff_max_ms = HOUR_MS};
static const sw_step_options quick = {.backoff_ms = 1, .backoff_max_ms = 1};
static const sw_step_options once = {.retries = SW_NO_RETRIES};

/* ---- The program ---- */

static void on_busy(sw_ctx *c) { sw_reply_text(c, 503, "busy"); }

static sw_value stay(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "stay", HOUR_MS);
    return input;
}

static sw_value fail_now(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail(c, "there is no paper");
}

/* The entry's array of calls has its long head then. */
static sw_value call_often(sw_ctx *c, sw_value input)
{
    const char *url = sw_printf(c, "%s/busy", sw_cstr(c, sw_get(input, "at")));
    for (int i = 0; i < CALLS; i++) (void)sw_fetch(c, &(sw_request){.url = url});
    sw_fail(c, "all were busy");
}

static sw_value fail_thrice(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) < 4) sw_fail(c, "attempt %d fails", sw_attempt(c));
    return input;
}

static sw_value order(sw_ctx *c, const char *what)
{
    return sw_map(c, "what", sw_str(c, what), "pin", sw_int(7), NULL);
}

static sw_value text_of(sw_ctx *c, size_t bytes)
{
    char *text = sw_alloc(c, bytes);
    memset(text, 'x', bytes);
    return sw_strn(c, text, bytes);
}

static void on_hold(sw_ctx *c) { (void)sw_step(c, "hold", stay, order(c, "tea")); }
static void on_hold_long(sw_ctx *c) { (void)sw_step(c, "hold", stay, text_of(c, LONG_BYTES)); }
static void on_fail(sw_ctx *c) { (void)sw_step_with(c, "print", fail_now, order(c, "tea"), &once); }
static void on_fail_long(sw_ctx *c) { (void)sw_step_with(c, "print", fail_now, text_of(c, LONG_BYTES), &once); }
static void on_none(sw_ctx *c) { (void)sw_step_with(c, "print", fail_now, sw_nil(), &once); }

static void on_often(sw_ctx *c)
{
    sw_value input = sw_map(c, "at", sw_str(c, sw_query(c, "at")), "what", sw_str(c, "calls"), NULL);
    (void)sw_step_with(c, "call", call_often, input, &once);
}

static void on_thrice(sw_ctx *c)
{
    (void)sw_step_with(c, "print", fail_thrice, order(c, "tea"), &quick);
    sw_reply_text(c, 200, "printed");
}

/* Each version of the program gives its step something else; with the first one the second attempt stays. */
static bool program_is_new(void) { return __atomic_load_n(&seen->version, __ATOMIC_SEQ_CST) == 2; }

static sw_value fail_or_stay(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) == 1) sw_fail_after(c, 1, "once more");
    if (program_is_new()) sw_fail_fatal(c, "for good");
    return stay(c, input);
}

static void on_changed(sw_ctx *c)
{
    (void)sw_step(c, "print", fail_or_stay, order(c, program_is_new() ? "coffee" : "tea"));
}

static void on_retry(sw_ctx *c) { (void)sw_step_with(c, "print", fail_now, order(c, "tea"), &patient); }

static sw_value win(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "a moment", 20); /* so that the other one has begun */
    return input;
}

static void on_any(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "slow", stay, order(c, "given up"));
    sw_group_step(g, "fast", win, sw_nil());
    (void)sw_group_any(g, "first", NULL);
    sw_reply_text(c, 200, "one is enough");
}

/* Together more than a page copies. */
static void on_wide(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < WIDE; i++) sw_group_step(g, "hold", stay, text_of(c, WIDE_BYTES));
    (void)sw_group_wait(g);
}

/* Each fails once, and then stays. */
static sw_value fail_once(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) == 1) sw_fail_after(c, 1, "once more");
    return stay(c, input);
}

static void on_wide_retry(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_value input = sw_map(c, "what", text_of(c, WIDE_BYTES), "pin", sw_int(program_is_new() ? 2 : 1), NULL);
    for (int i = 0; i < WIDE; i++) sw_group_step(g, "hold", fail_once, input);
    (void)sw_group_wait(g);
}

/* What no program may do: makes the value longer than it was when the step began. */
static sw_value grow_and_stay(sw_ctx *c, sw_value input)
{
    sw_value *text = input.via.array.ptr;
    *text = text_of(c, WIDE_BYTES);
    return stay(c, sw_nil());
}

static void on_wide_grown(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < WIDE; i++) sw_group_step(g, "hold", grow_and_stay, sw_array(c, 1, sw_str(c, "short")));
    (void)sw_group_wait(g);
}

static sw_value fail_then_nil(sw_ctx *c, sw_value input)
{
    (void)fail_thrice(c, input);
    return sw_nil();
}

/* With --run-state-max 256KiB there is room for the input of "print" once. */
static void on_tight(sw_ctx *c)
{
    sw_value text = text_of(c, 15000);
    for (int i = 0; i < 16; i++) sw_push_chunk(c, text);
    (void)sw_step_with(c, "print", fail_then_nil, text_of(c, 12000), &quick);
    sw_reply_text(c, 200, "printed");
}

/* With --run-state-max 64KiB its results' entries fill more than half, and there is no room for all inputs twice. */
static void on_many(sw_ctx *c)
{
    for (int i = 0; i < MANY; i++) (void)sw_step_with(c, "print", fail_then_nil, text_of(c, MANY_BYTES), &quick);
    sw_reply_text(c, 200, "printed");
}

static int serve(int argc, char **argv)
{
    static const struct {
        const char *route;
        sw_handler fn;
    } all[] = {{"POST /hold", on_hold},     {"POST /hold-long", on_hold_long},
               {"POST /fail", on_fail},     {"POST /fail-long", on_fail_long},
               {"POST /none", on_none},     {"POST /often", on_often},
               {"POST /thrice", on_thrice}, {"POST /changed", on_changed},
               {"POST /retry", on_retry},   {"POST /any", on_any},
               {"POST /wide", on_wide},     {"POST /wide-retry", on_wide_retry},
               {"POST /many", on_many},     {"POST /wide-grown", on_wide_grown},
               {"POST /tight", on_tight}};
    sw_app *app = sw_app_new("inputs");
    seen = served_notes(sizeof *seen);
    sw_route(app, "GET /busy", on_busy);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sw_endpoint(app, all[i].route, all[i].fn, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static answer a;
static json_t *page; /* of the run that was asked for last */

static void start(const char *folder, const char *flag, const char *value)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, folder);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "1", flag, value, NULL});
}

static void begin(const char *path, char id[64])
{
    char url[512];
    snprintf(url, sizeof url, "%s%s?at=%s", server.address, path, server.address);
    call("POST", url, (const char *const[]){"Prefer: respond-async", NULL}, "", 0, &a);
    CHECK_INT(a.status, 202);
    answer_header(&a, "X-Run-Id", id, 64);
}

static const char *text_at(json_t *of, const char *name)
{
    const char *text = json_string_value(json_object_get(of, name));
    return text ? text : "";
}

static int64_t int_at(json_t *of, const char *name) { return (int64_t)json_integer_value(json_object_get(of, name)); }

static void read_page(const char *id)
{
    static json_t *owned;
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    json_decref(owned);
    page = owned = json_loads(a.body, 0, NULL);
    CHECK(page);
}

static json_t *first_step(void) { return json_array_get(json_object_get(page, "steps"), 0); }

static json_t *step_named(const char *id)
{
    json_t *steps = json_object_get(page, "steps");
    size_t i = 0;
    while (i < json_array_size(steps) && strcmp(text_at(json_array_get(steps, i), "id"), id) != 0) i++;
    CHECK(i < json_array_size(steps));
    return json_array_get(steps, i);
}

/* Reads the page until its first step is in the state. */
static json_t *await_step(const char *id, const char *state)
{
    do read_page(id);
    while (strcmp(text_at(first_step(), "state"), state) != 0 && usleep(2000) == 0);
    return first_step();
}

static const char *what_of(json_t *of) { return text_at(json_object_get(of, "input"), "what"); }

/* How many entries of that kind the page has, and how many of them tell an input. */
static void count_entries(const char *kind, size_t *all, size_t *with_input)
{
    size_t i;
    json_t *entry;
    *all = *with_input = 0;
    json_array_foreach(json_object_get(page, "entries"), i, entry)
    {
        if (strcmp(text_at(entry, "kind"), kind) != 0) continue;
        ++*all;
        *with_input += json_object_get(entry, "input") != NULL;
    }
}

static void check_entries(const char *kind, size_t all, size_t with_input)
{
    size_t seen_all, seen_with;
    count_entries(kind, &seen_all, &seen_with);
    CHECK_INT(seen_all, all);
    CHECK_INT(seen_with, with_input);
}

static void test_under_way(void)
{
    char id[64];
    start("under-way", "--park-after", "1h");
    begin("/hold", id);
    json_t *step = await_step(id, "running");
    CHECK_STR(what_of(step), "tea");
    CHECK(!json_object_get(step, "inputLeftOut"));
    begin("/hold-long", id);
    step = await_step(id, "running");
    CHECK(!json_object_get(step, "input"));
    CHECK(int_at(step, "inputLeftOut") > LONG_BYTES);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static void test_wide(void)
{
    char id[64];
    size_t shown = 0, left_out = 0, steps = 0;
    start("wide", "--park-after", "1h");
    begin("/wide", id);
    while (steps < WIDE) {
        read_page(id);
        steps = json_array_size(json_object_get(page, "steps"));
    }
    for (size_t i = 0; i < steps; i++) {
        json_t *step = json_array_get(json_object_get(page, "steps"), i);
        shown += json_object_get(step, "input") != NULL;
        left_out += int_at(step, "inputLeftOut") > WIDE_BYTES;
    }
    CHECK(shown > 0 && left_out > 0);
    CHECK_INT(shown + left_out, WIDE);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

/* Reads the page until all attempts of that number are under way, and those before them are on disk. */
static void await_attempts(const char *id, int64_t number)
{
    size_t found = 0;
    while (found < WIDE) {
        read_page(id);
        json_t *steps = json_object_get(page, "steps");
        found = 0;
        for (size_t i = 0; i < json_array_size(steps); i++) {
            json_t *step = json_array_get(steps, i);
            found += int_at(json_object_get(step, "now"), "attempt") == number &&
                     (int64_t)json_array_size(json_object_get(step, "attempts")) == number - 1;
        }
    }
}

/* How many steps of the page have that input, and how many say that theirs is left out. */
static void count_pins(int64_t pin, size_t *shown, size_t *left_out)
{
    size_t i;
    json_t *step;
    *shown = *left_out = 0;
    json_array_foreach(json_object_get(page, "steps"), i, step)
    {
        *shown += int_at(json_object_get(step, "input"), "pin") == pin;
        *left_out += int_at(step, "inputLeftOut") > WIDE_BYTES;
    }
}

/* --redact makes the page shorter, not the inputs. */
static void test_wide_retry(void)
{
    char id[64];
    size_t shown, left_out;
    seen->version = 1;
    start("wide-retry", "--redact", "json:what");
    begin("/wide-retry", id);
    await_attempts(id, 2);
    count_pins(1, &shown, &left_out);
    CHECK_INT(shown, WIDE);
    CHECK_INT(left_out, 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    seen->version = 2;
    start("wide-retry", "--redact", "json:what");
    await_attempts(id, 2);
    count_pins(2, &shown, &left_out);
    CHECK(shown > 0 && left_out > 0);
    CHECK_INT(shown + left_out, WIDE);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static void test_wide_grown(void)
{
    char id[64];
    size_t bytes = 0, left_out = 0, i;
    json_t *step;
    start("wide-grown", "--park-after", "1h");
    begin("/wide-grown", id);
    await_attempts(id, 1);
    json_array_foreach(json_object_get(page, "steps"), i, step)
    {
        bytes += json_string_length(json_array_get(json_object_get(step, "input"), 0));
        left_out += int_at(step, "inputLeftOut") > 0;
    }
    CHECK(bytes > 0 && bytes <= PAGE_BYTES);
    CHECK_INT(left_out, WIDE - bytes / WIDE_BYTES);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static void test_failed(void)
{
    char id[64];
    start("failed", "--park-after", "1h");
    begin("/fail", id);
    CHECK_STR(what_of(await_step(id, "failed")), "tea");
    check_entries("step failed", 1, 1);
    begin("/fail-long", id);
    json_t *step = await_step(id, "failed");
    CHECK(!json_object_get(step, "input"));
    CHECK(int_at(step, "inputLeftOut") > LONG_BYTES);
    begin("/none", id);
    step = await_step(id, "failed");
    CHECK(!json_object_get(step, "input") && !json_object_get(step, "inputLeftOut"));
    check_entries("step failed", 1, 0);
    begin("/often", id);
    step = await_step(id, "failed");
    CHECK_STR(what_of(step), "calls");
    json_t *attempt = json_array_get(json_object_get(step, "attempts"), 0);
    CHECK_INT(json_array_size(json_object_get(attempt, "calls")), CALLS);
    CHECK(!json_object_get(attempt, "callsLeftOut"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* An entry each for its attempts, of which the first alone has the input; that of the result has it again. */
static void test_once(void)
{
    char id[64];
    start("once", "--park-after", "1h");
    begin("/thrice", id);
    CHECK_STR(what_of(await_step(id, "done")), "tea");
    check_entries("step failed", 3, 1);
    check_entries("step done", 1, 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_retrying(void)
{
    char id[64];
    start("retrying", "--park-after", "1h");
    begin("/retry", id);
    CHECK_STR(what_of(await_step(id, "retrying")), "tea");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start("retrying", "--park-after", "1ms");
    CHECK_STR(what_of(await_step(id, "retrying")), "tea");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_changed(void)
{
    char id[64];
    seen->version = 1;
    start("changed", "--park-after", "1h");
    begin("/changed", id);
    do CHECK_STR(what_of(await_step(id, "running")), "tea");
    while (int_at(json_object_get(first_step(), "now"), "attempt") != 2);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    seen->version = 2;
    start("changed", "--park-after", "1h");
    CHECK_STR(what_of(await_step(id, "failed")), "coffee");
    check_entries("step failed", 2, 2);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_abandoned(void)
{
    char id[64];
    start("abandoned", "--park-after", "1h");
    begin("/any", id);
    do read_page(id);
    while (!json_object_get(page, "endedAt"));
    json_t *step = step_named("slow");
    CHECK_STR(what_of(step), "given up");
    CHECK_STR(text_at(step, "state"), "cut");
    CHECK(int_at(step, "begunAt") > 0 && int_at(step, "endedAt") >= int_at(step, "begunAt"));
    check_entries("abandoned", 1, 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_redacted(void)
{
    char id[64];
    start("redacted", "--redact", "json:what");
    begin("/hold", id);
    CHECK_STR(what_of(await_step(id, "running")), "[redacted]");
    begin("/fail", id);
    CHECK_STR(what_of(await_step(id, "failed")), "[redacted]");
    CHECK(!strstr(a.body, "tea"));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static void test_tight(void)
{
    start("tight", "--run-state-max", "256KiB");
    call("POST", server_url("/tight"), NULL, "", 5, &a);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "printed"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_many(void)
{
    char id[64];
    size_t failed, with_input;
    start("many", "--run-state-max", "64KiB");
    begin("/many", id);
    do read_page(id);
    while (!json_object_get(page, "endedAt"));
    CHECK_INT(int_at(json_object_get(page, "response"), "status"), 200);
    count_entries("step failed", &failed, &with_input);
    CHECK_INT(failed, 3 * MANY);
    CHECK(with_input > 0 && with_input < MANY);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {
    {"an attempt under way shows its input", test_under_way},
    {"many attempts under way show so much, and how much is left out", test_wide},
    {"what is left out so is shown as a failed attempt had it", test_wide_retry},
    {"values that have grown behind the API's back show no more", test_wide_grown},
    {"a failed step shows its input", test_failed},
    {"the first failed attempt alone has it", test_once},
    {"a step that waits for its next attempt shows it, also after a kill", test_retrying},
    {"another input comes with the first attempt that has it", test_changed},
    {"an attempt that was given up has it", test_abandoned},
    {"what --redact names is not shown", test_redacted},
    {"no run fails for it", test_tight},
    {"nor if many steps have failed", test_many}};

SERVED_MAIN_NOTES(serve, seen, cases)
