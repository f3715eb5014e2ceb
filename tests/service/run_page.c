/* The page of one run: its steps as they were, what is under way, and why it is not finished. Never a secret. */
#include <jansson.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

/* ---- The program. Its plain routes are the services that its steps call ---- */

static void on_busy(sw_ctx *c)
{
    if (sw_query(c, "later")) sw_reply_header(c, "Retry-After", sw_query(c, "later"));
    sw_reply_text(c, 503, "busy");
}

static void on_well(sw_ctx *c) { sw_reply_text(c, 200, "well"); }

static void on_silent(sw_ctx *c)
{
    sw_sleep(c, "silence", 3600000);
    sw_reply_text(c, 200, "late");
}

/* Asks what the query "at" names. */
static sw_value ask(sw_ctx *c, const char *query)
{
    const sw_request q = {.url = sw_printf(c, "http://%s%s", sw_query(c, "at"), query)};
    sw_response r = sw_fetch(c, &q);
    sw_response_check(c, &q, &r);
    return sw_str(c, "asked");
}

static sw_value price(sw_ctx *c, sw_value input)
{
    sw_push_chunk(c, sw_str(c, "priced"));
    return sw_map(c, "cents", sw_int(1200), "of", sw_get(input, "what"), NULL);
}

static sw_value charge(sw_ctx *c, sw_value input)
{
    (void)input;
    return ask(c, sw_attempt(c) < 3 ? "/busy" : "/well");
}

static sw_value wait_silent(sw_ctx *c, sw_value input)
{
    (void)input;
    return ask(c, "/silent");
}

static sw_value wait_busy(sw_ctx *c, sw_value input)
{
    (void)input;
    return ask(c, "/busy?later=60");
}

static sw_value stay(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "stay", 3600000);
    return input;
}

static sw_value crunch(sw_ctx *c, sw_value input)
{
    struct timespec from, now;
    (void)c;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &from) == 0);
    do CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    while (now.tv_sec - from.tv_sec < 1 || (now.tv_sec - from.tv_sec == 1 && now.tv_nsec < from.tv_nsec));
    return input;
}

static sw_value fail_now(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail(c, "there is no paper");
}

static sw_value branch(sw_ctx *c, sw_value input) { return sw_step(c, "deep", price, input); }

static void on_order(sw_ctx *c)
{
    sw_label(c, "what", "a present");
    sw_label(c, "shop", "the corner");
    (void)sw_step(c, "price", price, sw_map(c, "what", sw_str(c, "tea"), NULL));
    (void)sw_step_with(c, "charge", charge, sw_nil(), &(sw_step_options){.backoff_ms = 1, .backoff_max_ms = 1});
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "left", branch, sw_nil());
    sw_group_step(g, "price", price, sw_nil());
    (void)sw_group_wait(g);
    sw_sleep(c, "breath", 1);
    sw_reply_header(c, "X-Order", "17");
    sw_reply_text(c, 201, "ordered");
}

static void on_call(sw_ctx *c) { (void)sw_step(c, "wait", wait_silent, sw_nil()); }
static void on_hold(sw_ctx *c) { (void)sw_step(c, "hold", stay, sw_nil()); }
static void on_retry(sw_ctx *c) { (void)sw_step(c, "search", wait_busy, sw_nil()); }
static void on_nap(sw_ctx *c) { sw_sleep(c, "night", 3600000); }
static void on_doze(sw_ctx *c) { sw_sleep(c, "doze", 1000); }
static void on_crunch(sw_ctx *c)
{
    sw_sleep(c, "first", 50); /* so that its client has its id */
    (void)sw_step(c, "crunch", crunch, sw_nil());
}

/* The first is to be tried again, the second is not. */
static sw_value fetch_one(sw_ctx *c, sw_value input)
{
    if (sw_as_int(input, 0) == 2) sw_fail_fatal(c, "there is no second");
    sw_fail(c, "not yet");
}

static sw_value fetch_all(sw_ctx *c, sw_value input)
{
    const sw_each_options o = {.step = {.backoff_ms = 30000}};
    return sw_each_with(c, "fetch", fetch_one, input, &o);
}

/* A group gives up a member that waits for its next attempt, and the run goes on. */
static void on_given_up(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "all", fetch_all, sw_array(c, 2, sw_int(1), sw_int(2)));
    (void)sw_group_settle(g);
    sw_sleep(c, "tomorrow", 86400000);
}

static void on_print(sw_ctx *c)
{
    (void)sw_step_with(c, "print", fail_now, sw_nil(), &(sw_step_options){.retries = -1});
}

static sw_value echo(sw_ctx *c, sw_value input)
{
    (void)c;
    return input;
}

/* So many steps, and a sleep. */
static void on_many(sw_ctx *c)
{
    const char *steps = sw_query(c, "steps");
    for (int i = 0; i < atoi(steps ? steps : "4000"); i++) (void)sw_step(c, "one", echo, sw_int(i));
    sw_sleep(c, "night", 3600000);
}

static sw_value on_restock(sw_ctx *c, sw_value input) { return sw_array(c, 1, input); }

/* Restocks each, and has one more restocked for which nobody waits. */
static sw_value on_fill(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    for (size_t i = 0; i < sw_len(input); i++) sw_group_call(g, "restock", "shop/restock", sw_at(input, i));
    (void)sw_group_wait(g);
    return sw_call_with(c, "spare", "shop/restock", sw_nil(), &(sw_call_options){.detached = true});
}

static sw_value on_wait(sw_ctx *c, sw_value input)
{
    sw_value word = input;
    (void)sw_wait_for(c, "word", &(sw_wait){.signal = "word"}, &word);
    return word;
}

/* Calls one that waits, asks a person, takes the answer before the night is over, and tells the one that waits. */
static sw_value on_decide(sw_ctx *c, sw_value input)
{
    static const char *const choices[] = {"yes", "no", NULL};
    sw_value decided = input;
    sw_value teller = sw_call_with(c, "teller", "shop/wait", input, &(sw_call_options){.detached = true});
    (void)sw_wait_for(c, "hurry", &(sw_wait){.signal = "hurry", .timeout_ms = 1}, NULL);
    (void)sw_signal_url(c, "ask", "answer", &(sw_question){.text = "Is it so?", .choices = choices});
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "answer", &(sw_wait){.signal = "answer"});
    sw_group_call(g, "slow", "shop/wait", input);
    sw_group_sleep(g, "night", 3600000);
    (void)sw_group_any(g, "first", &decided);
    (void)sw_send_signal(c, "tell", sw_cstr(c, sw_get(teller, "run")), "word", decided);
    (void)sw_send_signal(c, "tell", "00000000000000000000000000", "word", decided);
    return sw_call(c, "last", "shop/restock", decided);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("pages");
    sw_route(app, "GET /busy", on_busy);
    sw_route(app, "GET /well", on_well);
    sw_route(app, "GET /silent", on_silent);
    sw_function(app, "shop/restock", on_restock, NULL);
    sw_function(app, "shop/fill", on_fill, NULL);
    sw_function(app, "shop/wait", on_wait, NULL);
    sw_function(app, "shop/decide", on_decide, NULL);
    sw_function(app, "nightly", on_restock, &(sw_function_options){.cron = "0 0 29 2 *"});
    sw_endpoint(app, "POST /orders/:shop", on_order, NULL);
    sw_endpoint(app, "POST /call", on_call, NULL);
    sw_endpoint(app, "POST /hold", on_hold, NULL);
    sw_endpoint(app, "POST /retry", on_retry, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_endpoint(app, "POST /doze", on_doze, NULL);
    sw_endpoint(app, "POST /given-up", on_given_up, NULL);
    sw_endpoint(app, "POST /crunch", on_crunch, NULL);
    sw_endpoint(app, "POST /print", on_print, &(sw_endpoint_options){.on_exhausted = SW_STOP});
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static answer a;
static json_t *page; /* of the run that was asked for last */

static const char *folder = "data";

static const char *redacted = "header:x-nothing"; /* --redact */

static void start(const char *loops, const char *park_after, const char *runs_max)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, folder);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", loops, "--park-after", park_after,
                                                "--runs-max", runs_max, "--redact", redacted, NULL});
}

/* False: there is no room for it yet. */
static bool begin_try(const char *path, const char *body, char id[64])
{
    char url[512];
    snprintf(url, sizeof url, "%s%s?at=%s", server.address, path, strchr(server.address, ':') + 3);
    static const char *const headers[] = {"Prefer: respond-async", "Content-Type: application/json",
                                          "X-Secret: open sesame", "Authorization: Bearer open sesame", NULL};
    call("POST", url, headers, body, 0, &a);
    CHECK(a.status == 202 || a.status == 503);
    answer_header(&a, "X-Run-Id", id, 64);
    return a.status == 202;
}

static void begin(const char *path, const char *body, char id[64]) { CHECK(begin_try(path, body, id)); }

static json_t *read_page(const char *id)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    json_decref(page);
    page = json_loads(a.body, 0, NULL);
    CHECK(page);
    return page;
}

static const char *text_at(json_t *of, const char *name)
{
    const char *text = json_string_value(json_object_get(of, name));
    return text ? text : "";
}

static int64_t int_at(json_t *of, const char *name)
{
    json_t *n = json_object_get(of, name);
    return json_is_integer(n) ? (int64_t)json_integer_value(n) : -1;
}

/* Reads the page until its `why` is of that kind. */
static json_t *await_kind(const char *id, const char *kind)
{
    json_t *why;
    while (strcmp(text_at(why = json_object_get(read_page(id), "why"), "kind"), kind) != 0) usleep(2000);
    return why;
}

static json_t *step_at(size_t i)
{
    json_t *step = json_array_get(json_object_get(page, "steps"), i);
    CHECK(step);
    return step;
}

/* The n-th step of that id in the page, from 0. */
static json_t *step_named(const char *id, int n)
{
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(page, "steps"), i,
                       step) if (strcmp(text_at(step, "id"), id) == 0 && n-- == 0) return step;
    CHECK(!"no such step");
    return NULL;
}

static void await_end(const char *id)
{
    while (!*text_at(read_page(id), "state") || !json_object_get(page, "endedAt")) usleep(2000);
}

/* ---- A run that has ended ---- */

static void check_charge(json_t *charge)
{
    json_t *attempts = json_object_get(charge, "attempts");
    CHECK_INT(json_array_size(attempts), 3);
    int64_t before = 0;
    for (size_t i = 0; i < 3; i++) {
        json_t *attempt = json_array_get(attempts, i), *calls = json_object_get(attempt, "calls");
        CHECK_INT(int_at(attempt, "attempt"), (int64_t)i + 1);
        CHECK(int_at(attempt, "at") >= before && int_at(attempt, "durationMs") >= 0);
        before = int_at(attempt, "at") + int_at(attempt, "durationMs");
        CHECK_INT(json_array_size(calls), 1);
        CHECK_STR(text_at(json_array_get(calls, 0), "method"), "GET");
        CHECK_INT(int_at(json_array_get(calls, 0), "status"), i < 2 ? 503 : 200);
        CHECK((strstr(text_at(attempt, "error"), "answered 503") != NULL) == (i < 2));
        CHECK((int_at(attempt, "retryAt") > 0) == (i < 2));
    }
    CHECK_STR(text_at(charge, "state"), "done");
    CHECK_STR(text_at(charge, "value"), "asked");
    CHECK(int_at(charge, "endedAt") - int_at(charge, "begunAt") == int_at(charge, "durationMs"));
}

static void check_tree(void)
{
    json_t *left = json_array_get(json_object_get(page, "branches"), 0);
    CHECK_INT(json_array_size(json_object_get(page, "branches")), 1);
    CHECK_STR(text_at(left, "id"), "left");
    CHECK_STR(text_at(left, "parent"), text_at(step_named("price", 0), "branch")); /* the handler's */
    CHECK_STR(text_at(left, "path"), text_at(step_named("deep", 0), "branch"));
    CHECK_INT(int_at(step_named("price", 0), "occurrence"), 0);
    CHECK_INT(int_at(step_named("price", 1), "occurrence"), 1);
    CHECK(strlen(text_at(left, "path")) == 16);
}

static void test_ended(void)
{
    char id[64];
    start("2", "0", "100");
    begin("/orders/north", "{\"tea\":true}", id);
    await_end(id);
    CHECK_STR(text_at(page, "state"), "succeeded");
    CHECK(!json_object_get(page, "why"));
    CHECK_INT(json_array_size(json_object_get(page, "steps")), 5);
    json_t *first = step_at(0);
    CHECK_STR(text_at(first, "id"), "price");
    CHECK_STR(text_at(json_object_get(first, "input"), "what"), "tea");
    CHECK_INT(int_at(json_object_get(first, "value"), "cents"), 1200);
    CHECK_INT(int_at(first, "chunks"), 1);
    check_charge(step_named("charge", 0));
    check_tree();
    json_t *breath = step_named("breath", 0);
    CHECK(json_is_true(json_object_get(breath, "sleep")) && int_at(breath, "due") > 0);
    CHECK_STR(text_at(breath, "state"), "done");
    json_t *request = json_object_get(page, "request"), *response = json_object_get(page, "response");
    CHECK_STR(text_at(request, "method"), "POST");
    CHECK_STR(text_at(request, "body"), "{\"tea\":true}");
    CHECK_STR(text_at(json_object_get(request, "params"), "shop"), "north");
    CHECK(strstr(a.body, "{\"name\":\"Content-Type\",\"value\":\"application/json\"}"));
    CHECK_INT(int_at(response, "status"), 201);
    CHECK_STR(text_at(response, "body"), "ordered");
    CHECK(strstr(a.body, "{\"name\":\"X-Order\",\"value\":\"17\"}"));
    CHECK(strstr(a.body, "\"entries\":[{\"kind\":\"started\""));
    CHECK(strstr(a.body, "{\"kind\":\"branch\",\"id\":\"left\"}") && !strstr(a.body, "\"at\":0")); /* it has no time */
    CHECK(!strstr(a.body, "sesame") && !strstr(a.body, "token=") && !strstr(a.body, "X-Secret"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* ---- Why ---- */

static void check_call(void)
{
    char id[64];
    begin("/call", "", id);
    json_t *why = await_kind(id, "attempt");
    while (!strstr(text_at(why, "text"), "no answer yet")) why = await_kind(id, "attempt");
    CHECK_STR(text_at(why, "step"), "wait");
    CHECK(strstr(text_at(why, "text"), "attempt 1 of wait is under way for ") &&
          strstr(text_at(why, "text"), ": GET 127.0.0.1:"));
    json_t *now = json_object_get(step_at(0), "now"), *calls = json_object_get(now, "calls");
    CHECK_STR(text_at(step_at(0), "state"), "running");
    CHECK_STR(text_at(step_at(0), "path"), text_at(why, "path"));
    CHECK_INT(int_at(now, "attempt"), 1);
    CHECK_INT(json_array_size(calls), 1);
    CHECK(int_at(json_array_get(calls, 0), "since") >= int_at(now, "since"));
    CHECK(!json_object_get(why, "until"));
}

/* In memory or parked: what it waits for is the same. */
static void check_waits(bool parks)
{
    char id[64];
    begin("/retry", "", id);
    json_t *why = await_kind(id, "retry");
    CHECK_STR(text_at(why, "step"), "search");
    while (!strstr(text_at(why, "text"), "(503")) why = await_kind(id, "retry"); /* until its entry is on disk */
    CHECK(strstr(text_at(why, "text"), " for attempt 2 of search (503 from 127.0.0.1:"));
    CHECK(strstr(text_at(why, "text"), ", Retry-After 60 s)"));
    int64_t left = int_at(why, "until") - int_at(step_at(0), "begunAt");
    CHECK(left > 55000 && left < 70000);
    CHECK_STR(text_at(step_at(0), "state"), "retrying");
    begin("/nap", "", id);
    why = await_kind(id, "sleep");
    CHECK_STR(text_at(why, "step"), "night");
    CHECK(strstr(text_at(why, "text"), "sleeps for another "));
    CHECK(llabs(int_at(why, "until") - int_at(step_at(0), "due")) < 50);
    CHECK_STR(text_at(step_at(0), "state"), "sleeping");
    while (parks && strcmp(text_at(read_page(id), "state"), "sleeping") != 0) usleep(2000);
}

/* An attempt that is never made is no reason for anything. */
static void check_given_up(bool parks)
{
    char id[64];
    begin("/given-up", "", id);
    json_t *why = await_kind(id, "sleep");
    while (parks && strcmp(text_at(read_page(id), "state"), "sleeping") != 0) usleep(2000);
    if (parks) why = await_kind(id, "sleep");
    CHECK_STR(text_at(why, "step"), "tomorrow");
    CHECK(strstr(text_at(why, "text"), "sleeps for another 24 h, until "));
    CHECK_STR(text_at(step_named("tomorrow", 0), "state"), "sleeping");
    CHECK_STR(text_at(step_named("fetch", 1), "state"), "failed");
    if (parks) CHECK_STR(text_at(step_named("fetch", 0), "state"), "cut");
}

static void check_stopped(void)
{
    char id[64];
    begin("/print", "", id);
    json_t *why = await_kind(id, "stopped");
    CHECK_STR(text_at(why, "text"), "stopped (exhausted): step \"print\" has used its retries (1 attempt): there is no "
                                    "paper; it goes on when somebody releases it");
    CHECK_STR(text_at(step_at(0), "state"), "failed");
}

static void test_why(void)
{
    static const char *const park_after[] = {"0", "1h"};
    for (size_t i = 0; i < 2; i++) {
        start("2", park_after[i], "100");
        for (int again = 0; again < 4; again++) check_call(); /* of both loops, asked at both */
        for (int again = 0; again < 4; again++) check_waits(i == 0);
        check_given_up(i == 0);
        check_stopped();
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    }
}

/* A run of a former process says the same as before, and a cancelled one says nothing. */
static void test_again(void)
{
    char id[64], path[128];
    start("2", "0", "100");
    begin("/nap", "", id);
    int64_t until = int_at(await_kind(id, "sleep"), "until");
    while (strcmp(text_at(read_page(id), "state"), "sleeping") != 0) usleep(2000);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start("2", "0", "100");
    CHECK(llabs(int_at(await_kind(id, "sleep"), "until") - until) < 1000);
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    await_end(id);
    CHECK(!json_object_get(page, "why"));
    CHECK_STR(text_at(step_at(0), "state"), "cut");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_place(void)
{
    char id[64], held[64], path[128];
    folder = "empty"; /* no former run takes the place */
    start("1", "0", "1");
    begin("/doze", "", id);
    while (!begin_try("/hold", "", held)) usleep(2000); /* until the first one has left memory */
    json_t *why = await_kind(id, "place");
    CHECK(strstr(text_at(why, "text"), "waits for a place: 1 of 1 runs are in memory (--runs-max)"));
    snprintf(path, sizeof path, "/_sw/runs/%s", held);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200); /* what it said happens: the run moves */
    await_end(id);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* ---- Long pages ---- */

typedef struct long_page {
    char *text;
    size_t len;
} long_page;

static size_t page_on_data(char *data, size_t size, size_t n, void *arg)
{
    long_page *p = arg;
    CHECK((p->text = realloc(p->text, p->len + n + 1)) != NULL);
    memcpy(p->text + p->len, data, size * n);
    p->len += n;
    p->text[p->len] = 0;
    return n;
}

/* Reads a page that is larger than what an answer holds. NULL: there was none. */
static json_t *read_long(const char *id)
{
    char path[128];
    long_page p = {.text = NULL};
    CURL *easy = curl_easy_init();
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    CHECK(curl_easy_setopt(easy, CURLOPT_URL, server_url(path)) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, page_on_data) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &p) == CURLE_OK);
    bool ok = curl_easy_perform(easy) == CURLE_OK;
    curl_easy_cleanup(easy);
    json_t *read = ok ? json_loadb(p.text, p.len, 0, NULL) : NULL;
    free(p.text);
    return read;
}

static void check_long(const char *id)
{
    json_t *read = read_long(id), *steps = json_object_get(read, "steps");
    CHECK_INT(json_array_size(steps), 4001);
    CHECK_INT(json_array_size(json_object_get(read, "entries")), 4002);
    json_t *last = json_array_get(steps, 3999), *why = json_object_get(read, "why");
    CHECK_INT(json_integer_value(json_object_get(last, "value")), 3999);
    CHECK(strstr(text_at(why, "text"), "sleeps") && strcmp(text_at(why, "step"), "night") == 0);
    json_decref(read);
}

/* Another thread makes them, a few at a time: all who ask get theirs, also while the server stops. */
static void test_long(void)
{
    enum { ASKING = 12 };
    char id[64];
    pid_t asking[ASKING];
    start("1", "1h", "100");
    begin("/many", "", id);
    for (bool sleeps = false; !sleeps; usleep(2000)) {
        json_t *read = read_long(id);
        sleeps = json_array_size(json_object_get(read, "entries")) == 4002;
        json_decref(read);
    }
    for (int i = 0; i < ASKING; i++) {
        if ((asking[i] = fork()) != 0) continue;
        check_long(id);
        _exit(0);
    }
    for (int i = 0; i < ASKING; i++) {
        int status = 0;
        CHECK(waitpid(asking[i], &status, 0) == asking[i]);
        CHECK_INT(status, 0);
    }
    pid_t last = fork();
    if (last == 0) {
        for (;;) json_decref(read_long(id)); /* until the server is gone */
    }
    usleep(100000);
    int ended = served_stop(&server, SIGTERM);
    CHECK(kill(last, SIGKILL) == 0 && waitpid(last, NULL, 0) == last);
    CHECK_INT(ended, 0);
}

/* What may be said of a run that computes or is about to; how far it has come depends on the machine. */
static bool is_told_of_crunch(const char *kind)
{
    static const char *const kinds[] = {"computing", "attempt", "sleep", "commit", "journal", "ending"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0) return true;
    return false;
}

/* A loop that is kept busy is not waited for: another one says what it sees. */
static void test_held(void)
{
    char id[64], text[256] = "";
    start("2", "1h", "100");
    while (!strstr(text, "its code computes since ")) { /* else the loop that computes was asked */
        begin("/crunch", "", id);
        usleep(400000);
        json_t *why = json_object_get(read_page(id), "why");
        snprintf(text, sizeof text, "%s", text_at(why, "text"));
        CHECK(!*text || is_told_of_crunch(text_at(why, "kind")));
    }
    CHECK(strstr(text, " ms, in step crunch"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Hidden in views, and not from the run. */
static void test_redacted(void)
{
    char id[64], list[64];
    redacted = "header:x-order,header:user-agent,query:at,json:cents,json:/pin,json:what";
    start("1", "1h", "100");
    begin("/orders/north", "{\"pin\":1234,\"tea\":true}", id);
    await_end(id);
    CHECK_STR(text_at(json_object_get(page, "request"), "body"), "{\"pin\":\"[redacted]\",\"tea\":true}");
    CHECK(json_is_true(json_object_get(json_object_get(page, "request"), "bodyRedacted")));
    CHECK_STR(text_at(json_object_get(page, "request"), "target"), "/orders/north?at=[redacted]");
    CHECK_STR(text_at(page, "target"), "/orders/north?at=[redacted]");
    CHECK_STR(text_at(json_object_get(step_at(0), "input"), "what"), "[redacted]");
    CHECK_STR(text_at(json_object_get(step_at(0), "value"), "cents"), "[redacted]");
    CHECK(strstr(a.body, "{\"name\":\"X-Order\",\"value\":\"[redacted]\"}"));
    CHECK_STR(text_at(json_object_get(page, "labels"), "what"), "[redacted]");
    CHECK(!strstr(a.body, "a present") && strstr(a.body, "\"id\":\"shop\",\"value\":\"the corner\""));
    CHECK(!strstr(a.body, "pin\\\":1234") && !strstr(a.body, "\"cents\":1200"));
    snprintf(list, sizeof list, "/_sw/runs?limit=1");
    call(NULL, server_url(list), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\"target\":\"/orders/north?at=[redacted]\""));
    char url[512];
    snprintf(url, sizeof url, "%s/orders/north?at=%s", server.address, strchr(server.address, ':') + 3);
    call("POST", url, NULL, "{}", 0, &a);
    CHECK_INT(a.status, 201);
    CHECK(strstr(a.head, "X-Order: 17")); /* its client sees all */
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"a run that has ended is shown by its steps", test_ended},
                                   {"a run that has not ended says why", test_why},
                                   {"another process says the same", test_again},
                                   {"a run waits for a place", test_place},
                                   {"what --redact names is not shown", test_redacted},
                                   {"long pages are made aside", test_long},
                                   {"a run computes, and another loop says so", test_held}};

SERVED_MAIN(serve, NULL, cases)
