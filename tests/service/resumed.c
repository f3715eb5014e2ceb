/* Runs that have failed, or were cancelled, go on under their own ids when an operator says so: what was done is not
 * done again, and whoever waits gets the new end. The programs are real, and so is the upstream that counts what it is
 * asked for. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { STEPS = 40, NAMES = 64, CONTENDERS = 8, KILLS = 12, HOUR_MS = 3600000 };

/* Seen by the test and all its servers. */
typedef struct notes {
    volatile int calls[NAMES]; /* what the upstream was asked for, by name */
    volatile bool mended;      /* the upstream takes what it refused before */
    volatile int executions;
    volatile int last_attempt; /* the number that the step which fails was last given */
    char keys[4][32];          /* its sw_step_key, by generation */
    volatile int generation;
    volatile int port; /* of the upstream */
} notes;
static notes *seen;

enum { BROKEN = 50, TRIED = 51, MEMBER_A = 52, MEMBER_B = 53, FATAL = 54, LONG = 55, NESTED = 56 };

/* ---- The program ---- */

static void on_up(sw_ctx *c)
{
    int name = atoi(sw_param(c, "name"));
    seen->calls[name]++;
    bool fails = !seen->mended && (name == BROKEN || name == MEMBER_B || name == FATAL || name == NESTED);
    if (name == TRIED) fails = true;
    sw_reply_text(c, fails ? 500 : 200, "%d", name * 10);
}

static sw_value ask(sw_ctx *c, sw_value name)
{
    sw_request q = {.url = sw_printf(c, "http://127.0.0.1:%d/up/%d", seen->port, (int)sw_as_int(name, 0))};
    return sw_fetch_json(c, &q);
}

static sw_value ask_broken(sw_ctx *c, sw_value name)
{
    seen->last_attempt = sw_attempt(c);
    if (seen->generation < 4) snprintf(seen->keys[seen->generation], sizeof seen->keys[0], "%s", sw_step_key(c));
    return ask(c, name);
}

static const sw_step_options twice = {.retries = 1, .backoff_ms = 10}, once = {.retries = SW_NO_RETRIES};

/* Forty steps that are done, one that is tried in vain, and one that fails for good. */
static void on_order(sw_ctx *c)
{
    int64_t sum = 0;
    seen->executions++;
    for (int i = 1; i <= STEPS; i++) sum += sw_as_int(sw_step(c, sw_printf(c, "step %d", i), ask, sw_int(i)), 0);
    sw_error why;
    bool found = sw_try_with(c, "tried", ask, sw_int(TRIED), &once, NULL, &why);
    sum += sw_as_int(sw_step_with(c, "broken", ask_broken, sw_int(BROKEN), &twice), 0);
    sw_reply_text(c, 200, "%lld %s", (long long)sum, found ? "found" : why.message);
}

static sw_value in_branch(sw_ctx *c, sw_value name) { return sw_step_with(c, "nested", ask, name, &once); }

/* Two members and a branch: two of the three fail. */
static void on_group(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step_with(g, "a", ask, sw_int(MEMBER_A), &once);
    sw_group_step_with(g, "b", ask, sw_int(MEMBER_B), &once);
    sw_group_branch(g, "twig", in_branch, sw_int(NESTED));
    sw_reply_json(c, 200, sw_group_wait(g));
}

static sw_value stream_and_ask(sw_ctx *c, sw_value name)
{
    sw_push_chunk(c, sw_strf(c, "asking for %d", (int)sw_as_int(name, 0)));
    return ask(c, name);
}

static void on_stream(sw_ctx *c)
{
    sw_push_chunk(c, sw_str(c, "begun"));
    sw_step_with(c, "one", stream_and_ask, sw_int(1), &once);
    sw_step_with(c, "broken", stream_and_ask, sw_int(BROKEN), &once);
    sw_push_chunk(c, sw_str(c, "through"));
    sw_reply_text(c, 200, "streamed");
}

/* Waits in a sleep that is on disk, so it can be cancelled there, or run over its deadline. */
static void on_long(sw_ctx *c)
{
    sw_step(c, "one", ask, sw_int(1));
    if (!seen->mended) sw_sleep(c, "long", HOUR_MS);
    sw_step(c, "two", ask, sw_int(2));
    sw_reply_text(c, 200, "rested");
}

/* A bug of the handler itself: no step is its cause. */
static void on_bug(sw_ctx *c)
{
    sw_step(c, "one", ask, sw_int(1));
    if (!seen->mended) sw_fail(c, "a bug");
    sw_reply_text(c, 200, "mended");
}

static void on_well(sw_ctx *c) { sw_reply_text(c, 200, "well"); }

/* A large result, and a large response of the failure's. */
static sw_value large(sw_ctx *c, sw_value v)
{
    char *text = sw_alloc(c, 100000);
    memset(text, 'x', 99999);
    seen->calls[sw_as_int(v, 0)]++;
    return sw_strn(c, text, 99999);
}

static void on_large(sw_ctx *c)
{
    sw_value v = sw_step(c, "large", large, sw_int(3));
    sw_step_with(c, "broken", ask, sw_int(BROKEN), &once);
    sw_reply_text(c, 200, "%zu", sw_len(v));
}

/* Fails, and fails again more quickly than it could be deleted. */
static void on_patient(sw_ctx *c)
{
    sw_step_with(c, "broken", ask, sw_int(BROKEN), &once);
    sw_sleep(c, "rest", 2500);
    sw_reply_text(c, 200, "rested");
}

static int serve(int argc, char **argv)
{
    const sw_endpoint_options late = {.timeout_ms = 300}, stops = {.on_exhausted = SW_STOP};
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("resumed");
    sw_route(app, "GET /up/:name", on_up);
    sw_endpoint(app, "POST /order", on_order, NULL);
    sw_endpoint(app, "POST /group", on_group, NULL);
    sw_endpoint(app, "POST /stream", on_stream, NULL);
    sw_endpoint(app, "POST /long", on_long, NULL);
    sw_endpoint(app, "POST /late", on_long, &late);
    sw_endpoint(app, "POST /bug", on_bug, NULL);
    sw_endpoint(app, "POST /well", on_well, NULL);
    sw_endpoint(app, "POST /large", on_large, NULL);
    sw_endpoint(app, "POST /patient", on_patient, NULL);
    sw_endpoint(app, "POST /stops", on_patient, &stops);
    if (!getenv("WITHOUT_GONE")) sw_endpoint(app, "POST /gone", on_bug, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128], id[32], output[1024];
static answer a;

static void start_with(const char *loops, const char *flag, const char *value)
{
    const char *const flags[] = {"--data", data,     "--dev", "--loops", loops, "--park-after",
                                 "20ms",   "--hold", "30s",   flag,      value, NULL};
    served_start(&server, flags);
}

static void start(void) { start_with("2", NULL, NULL); }
static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* The same program, in a process that stays: it serves what the runs' steps ask for. */
static void start_upstream(void)
{
    static served upstream;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/upstream", root);
    if (!upstream.pid) served_start(&upstream, (const char *const[]){"--data", folder, NULL});
    seen->port = atoi(strrchr(upstream.address, ':') + 1);
}

static void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
    start_upstream();
}

/* Begins a run, whose id and output URL are known then. */
static void begin(const char *path)
{
    server_begin("POST", path, output, sizeof output);
    snprintf(id, sizeof id, "%.26s", strstr(output, "/runs/") + 6);
}

static void page(void)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
}

/* Of the run that the page is of: its steps have states too. */
static bool page_has_state(const char *state)
{
    char text[96];
    snprintf(text, sizeof text, "\"runId\":\"%s\",\"state\":\"%s\"", id, state);
    return strstr(a.body, text) != NULL;
}

static void wait_state(const char *state)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        page();
        if (page_has_state(state)) return;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the run does not come to that state");
}

/* It has not ended: it works, or waits in a sleep that it had begun before. */
static void check_goes_on(void)
{
    page();
    bool goes_on = page_has_state("running") || page_has_state("sleeping");
    if (!goes_on) printf("# %s\n", a.body);
    CHECK(goes_on);
}

static void begin_and_fail(const char *path)
{
    begin(path);
    wait_state("failed");
}

static void resume_with(const char *body, long status)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/resume", id);
    call_patiently("POST", server_url(path), NULL, body, &a);
    if (a.status != status) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, status);
}

static void check_says(const char *text)
{
    if (!strstr(a.body, text)) printf("# %s\n", a.body);
    CHECK(strstr(a.body, text) != NULL);
}

static void mend(void)
{
    seen->mended = true;
    seen->generation++;
}

static void check_output(long status, const char *body)
{
    call(NULL, server_url(output), NULL, NULL, 3, &a);
    CHECK_INT(a.status, status);
    CHECK_STR(a.body, body);
}

static void check_listed(const char *state, bool expected)
{
    char path[96];
    bool is_there = !expected;
    snprintf(path, sizeof path, "/_sw/runs?state=%s", state);
    for (int i = 0; i < PATIENCE_MS / 50 && is_there != expected; i++) { /* lists are a second late */
        if (i > 0) usleep(50000);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        is_there = strstr(a.body, id) != NULL;
    }
    CHECK_INT(is_there, expected);
}

static void lists_have_its_new_state(void)
{
    in_folder("lists");
    start();
    begin_and_fail("/order");
    check_listed("failed", true);
    mend();
    resume_with("", 202);
    wait_state("succeeded");
    check_listed("failed", false);
    check_listed("succeeded", true);
    stop();
}

static void exactly_the_failed_steps_are_made_again(void)
{
    in_folder("order");
    start();
    begin_and_fail("/order");
    CHECK_INT(seen->calls[BROKEN], 2);
    call(NULL, server_url(output), NULL, NULL, 3, &a);
    CHECK_INT(a.status, 500);
    mend();
    resume_with("", 202);
    check_says(id);
    check_says("\"generation\":1");
    check_says("\"outputUrl\":\"");
    call(NULL, server_url(output), NULL, NULL, 3, &a);
    CHECK_INT(a.status, 200);
    CHECK(strncmp(a.body, "8700 ", 5) == 0 && strstr(a.body, "500")); /* 10 * (1 + ... + 40) + 500; tried: as before */
    for (int i = 1; i <= STEPS; i++) CHECK_INT(seen->calls[i], 1);
    CHECK_INT(seen->calls[TRIED], 1);
    CHECK_INT(seen->calls[BROKEN], 3);
    CHECK_INT(seen->last_attempt, 1);
    CHECK(seen->keys[0][0] && strcmp(seen->keys[0], seen->keys[1]) == 0);
    page();
    check_says("\"state\":\"succeeded\"");
    check_says("\"reopened\":1");
    check_says("\"kind\":\"reopened\"");
    check_says("\"by\":\"dev\"");
    stop();
}

static void it_fails_again_and_again(void)
{
    in_folder("again");
    start();
    begin_and_fail("/order");
    for (unsigned n = 1; n <= 3; n++) {
        char body[64];
        snprintf(body, sizeof body, "\"generation\":%u", n);
        resume_with("{}", 202);
        check_says(body);
        wait_state("failed");
        snprintf(body, sizeof body, "\"reopened\":%u", n);
        check_says(body);
        CHECK_INT(seen->calls[BROKEN], 2 + 2 * (int)n);
        CHECK_INT(seen->last_attempt, 2);
        CHECK_INT(seen->calls[STEPS], 1);
    }
    mend();
    resume_with("{\"generation\":4}", 202);
    wait_state("succeeded");
    CHECK_INT(seen->calls[BROKEN], 9);
    stop();
}

static void members_that_failed_are_made_again(void)
{
    in_folder("group");
    start();
    begin_and_fail("/group");
    mend();
    resume_with("", 202);
    check_output(200, "[520,530,560]");
    CHECK_INT(seen->calls[MEMBER_A], 1);
    CHECK_INT(seen->calls[MEMBER_B], 2);
    CHECK_INT(seen->calls[NESTED], 2);
    stop();
}

static void a_bug_of_the_handler_is_mended(void)
{
    in_folder("bug");
    start();
    begin_and_fail("/bug");
    mend();
    resume_with("", 202);
    check_output(200, "mended");
    CHECK_INT(seen->calls[1], 1);
    stop();
}

static void cancelled_and_late_runs_go_on(void)
{
    char path[128];
    in_folder("cancelled");
    start();
    begin("/long");
    wait_state("sleeping");
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    wait_state("cancelled");
    mend();
    resume_with("", 202);
    check_output(200, "rested");
    CHECK_INT(seen->calls[1], 1);
    CHECK_INT(seen->calls[2], 1);
    seen->mended = false;
    begin("/late");
    wait_state("failed");
    check_says("deadline");
    resume_with("", 202); /* 300 ms more, of its endpoint */
    wait_state("failed");
    check_says("\"reopened\":1");
    resume_with("{\"timeoutMs\":0}", 202);
    usleep(500000);
    check_goes_on(); /* no deadline */
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    mend();
    resume_with("{\"timeoutMs\":3600000}", 202);
    check_output(200, "rested");
    stop();
}

/* A run that stood still for its step, and was ended there, begins that step anew. */
static void it_was_ended_while_it_stood(void)
{
    char path[128];
    in_folder("stood");
    start();
    begin("/stops");
    wait_state("stopped");
    resume_with("", 409);
    check_says("has not ended");
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    mend();
    resume_with("", 202);
    check_output(200, "rested");
    CHECK_INT(seen->calls[BROKEN], 2);
    stop();
}

static void refusals_say_why(void)
{
    in_folder("refusals");
    start();
    begin("/well");
    wait_state("succeeded");
    resume_with("", 409);
    check_says("has succeeded");
    begin("/long");
    wait_state("sleeping");
    resume_with("", 409);
    check_says("has not ended");
    resume_with("{\"generation\":1}", 409);
    begin_and_fail("/gone");
    resume_with("{\"generation\":2}", 409);
    resume_with("[]", 400);
    resume_with("{\"timeoutMs\":-1}", 400);
    resume_with("{\"timeoutMs\":\"1\"}", 400);
    resume_with("{\"generation\":0}", 400);
    resume_with("{\"generation\":1.5}", 400);
    resume_with("{\"timeout\":1}", 400);
    check_says("\\\"timeout\\\"");
    resume_with("{", 400);
    page();
    check_says("\"state\":\"failed\"");
    CHECK(!strstr(a.body, "reopened"));
    call("POST", server_url("/_sw/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/resume"), NULL, "", 0, &a);
    CHECK_INT(a.status, 404);
    call("POST", server_url("/_sw/runs/nonsense/resume"), NULL, "", 0, &a);
    CHECK_INT(a.status, 404);
    stop();
    CHECK(setenv("WITHOUT_GONE", "1", 1) == 0);
    start();
    resume_with("", 409);
    check_says("no such endpoint");
    CHECK(unsetenv("WITHOUT_GONE") == 0);
    stop();
}

/* Of several at the same time one has its way, and the others are told so. */
static void one_of_many_wins(void)
{
    char request[512], reply[64];
    int fds[CONTENDERS], won = 0;
    in_folder("contest");
    start();
    begin_and_fail("/bug");
    int len =
        snprintf(request, sizeof request, "POST /_sw/runs/%s/resume HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n",
                 id, server.address + strlen("http://"));
    for (int i = 0; i < CONTENDERS; i++) fds[i] = server_dial();
    for (int i = 0; i < CONTENDERS; i++) CHECK(write(fds[i], request, (size_t)len) == len);
    for (int i = 0; i < CONTENDERS; i++) {
        ssize_t n = read(fds[i], reply, sizeof reply - 1);
        CHECK(n > 12);
        reply[n] = 0;
        int status = atoi(reply + 9);
        won += status == 202;
        bool is_told = status == 202 || status == 409 || status == 503; /* 503: it has just failed again */
        if (!is_told) printf("# %s\n", reply);
        CHECK(is_told);
        close(fds[i]);
    }
    wait_state("failed");
    page();
    CHECK(won >= 1); /* two, if the run had failed again before the last one came */
    char count[32];
    snprintf(count, sizeof count, "\"reopened\":%d", won);
    check_says(count);
    stop();
}

/* Whoever has lost the answer asks for the same generation again. */
static void a_generation_is_begun_once(void)
{
    char path[128];
    in_folder("generation");
    start();
    begin("/long");
    wait_state("sleeping");
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    for (int i = 0; i < 3; i++) {
        resume_with("{\"generation\":1}", 202);
        check_says("\"generation\":1");
    }
    check_goes_on();
    check_says("\"reopened\":1");
    resume_with("{\"generation\":2}", 409);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    resume_with("{\"generation\":1}", 202); /* it has begun, and has ended since */
    page();
    check_says("\"state\":\"cancelled\"");
    resume_with("{\"generation\":3}", 409);
    resume_with("{\"generation\":2}", 202);
    check_goes_on();
    check_says("\"reopened\":2");
    stop();
}

static void its_key_leads_to_its_new_end(void)
{
    static const char *const key[] = {"Idempotency-Key: \"a key\"", NULL};
    in_folder("key");
    start();
    call("POST", server_url("/bug"), key, "", 3, &a);
    CHECK_INT(a.status, 500);
    call("POST", server_url("/bug"), key, "", 3, &a);
    CHECK_INT(a.status, 500);
    char header[64];
    snprintf(id, sizeof id, "%s", answer_header(&a, "X-Run-Id", header, sizeof header));
    CHECK_INT(seen->executions, 0);
    mend();
    resume_with("", 202);
    call("POST", server_url("/bug"), key, "", 3, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "mended");
    CHECK_STR(answer_header(&a, "Idempotency-Replayed", header, sizeof header), "true");
    CHECK_INT(seen->calls[1], 1);
    stop();
}

/* ---- Streams ---- */

static void read_stream(const char *last)
{
    char stream[1100], header[64];
    const char *headers[] = {last ? header : NULL, NULL};
    snprintf(header, sizeof header, "Last-Event-ID: %s", last ? last : "");
    stream_of_output(output, stream, sizeof stream);
    call(NULL, server_url(stream), headers, NULL, 0, &a);
    CHECK_INT(a.status, 200);
}

static void check_frame(const char *number, const char *event, const char *data_part)
{
    char begins[128];
    snprintf(begins, sizeof begins, "id: %s\nevent: %s\ndata: ", number, event);
    const char *at = strstr(a.body, begins), *end = at ? strstr(at, "\n\n") : NULL;
    if (!end) printf("# no %s in %s\n", begins, a.body);
    CHECK(end);
    const char *found = strstr(at, data_part);
    if (!found || found > end) printf("# no %s in %s\n", data_part, a.body);
    CHECK(found && found < end);
}

static void streams_go_on_behind_the_voided_response(void)
{
    in_folder("stream");
    start();
    begin_and_fail("/stream");
    read_stream(NULL);
    check_frame("1", "inngest.stream", "begun");
    check_frame("2", "inngest.stream", "asking for 1");
    check_frame("3", "inngest.commit", "hashedStepId");
    check_frame("4", "inngest.stream", "asking for 50");
    check_frame("5", "inngest.rollback", "hashedStepId");
    check_frame("6", "inngest.response", "\"status\":\"failed\"");
    static char first[sizeof a.body];
    snprintf(first, sizeof first, "%s", strstr(a.body, "id: 1\n"));
    mend();
    resume_with("", 202);
    wait_state("succeeded");
    read_stream(NULL);
    CHECK(strstr(a.body, first) != NULL); /* byte for byte as before */
    check_frame("7", "stepwell.reopened", "{\"generation\":1}");
    check_frame("8", "inngest.stream", "asking for 50");
    check_frame("9", "inngest.commit", "hashedStepId");
    check_frame("10", "inngest.stream", "through");
    check_frame("11", "inngest.response", "\"status\":\"succeeded\"");
    read_stream("6");
    CHECK(!strstr(a.body, "id: 5\n"));
    check_frame("7", "stepwell.reopened", "generation");
    stop();
    start_with("3", NULL, NULL);
    read_stream("6");
    check_frame("11", "inngest.response", "streamed");
    stop();
}

/* A run that has streamed nothing has its response as the first frame, and so it stays. */
static void a_silent_run_has_frames_when_it_goes_on(void)
{
    in_folder("silent");
    start();
    begin_and_fail("/bug");
    read_stream(NULL);
    check_frame("1", "inngest.response", "failed");
    mend();
    resume_with("", 202);
    check_output(200, "mended");
    read_stream("1");
    check_frame("2", "stepwell.reopened", "generation");
    check_frame("3", "inngest.response", "mended");
    stop();
}

/* ---- Processes ---- */

static void on_other_loops_and_in_large(void)
{
    in_folder("loops");
    start_with("3", NULL, NULL);
    char ids[6][32], outputs[6][1024];
    for (int i = 0; i < 6; i++) {
        begin_and_fail("/large");
        memcpy(ids[i], id, sizeof id);
        memcpy(outputs[i], output, sizeof output);
    }
    stop();
    start_with("2", NULL, NULL);
    mend();
    for (int i = 0; i < 6; i++) {
        memcpy(id, ids[i], sizeof id);
        resume_with("", 202);
    }
    stop(); /* some are under way */
    start_with("1", NULL, NULL);
    for (int i = 0; i < 6; i++) {
        memcpy(output, outputs[i], sizeof output);
        check_output(200, "99999");
    }
    CHECK_INT(seen->calls[3], 6);
    stop();
}

/* The process is killed at any moment around the resume: the run has ended as before, or goes on, and what was done is
 * not done again. */
static void it_is_killed_meanwhile(void)
{
    char request[512], text[64];
    in_folder("killed");
    start();
    begin_and_fail("/order");
    for (int i = 1; i <= KILLS; i++) {
        int len = snprintf(request, sizeof request,
                           "POST /_sw/runs/%s/resume HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", id,
                           server.address + strlen("http://"));
        int fd = server_dial();
        CHECK(write(fd, request, (size_t)len) == len);
        usleep((useconds_t)(i - 1) * 250);
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        close(fd);
        start_with(i % 2 ? "1" : "2", NULL, NULL);
        wait_state("failed"); /* it goes on, and fails once more, or has never gone on */
    }
    page();
    const char *at = strstr(a.body, "\"reopened\":");
    int reopened = at ? atoi(at + strlen("\"reopened\":")) : 0;
    printf("# of %d that were killed %d had been resumed\n", (int)KILLS, reopened);
    mend();
    snprintf(text, sizeof text, "{\"generation\":%d}", reopened + 1);
    resume_with(text, 202);
    wait_state("succeeded");
    for (int i = 1; i <= STEPS; i++) CHECK_INT(seen->calls[i], 1);
    stop();
}

/* Retention counts from the new end. */
static void retention_forgets_the_first_end(void)
{
    in_folder("retention");
    start_with("2", "--retain", "1500ms");
    begin_and_fail("/patient");
    mend();
    resume_with("", 202);
    usleep(2200000); /* it would be gone by now */
    wait_state("sleeping");
    wait_state("succeeded");
    usleep(700000);
    check_output(200, "rested");
    for (int i = 0; i < 200 && a.status != 404; i++) {
        usleep(50000);
        page();
    }
    CHECK_INT(a.status, 404);
    resume_with("", 404);
    stop();
}

static const check_case cases[] = {
    {"exactly the failed steps are made again", exactly_the_failed_steps_are_made_again},
    {"lists have its new state", lists_have_its_new_state},
    {"it fails again and again", it_fails_again_and_again},
    {"members of a group that failed are made again", members_that_failed_are_made_again},
    {"a bug of the handler is mended", a_bug_of_the_handler_is_mended},
    {"cancelled and late runs go on", cancelled_and_late_runs_go_on},
    {"it was ended while it stood", it_was_ended_while_it_stood},
    {"refusals say why", refusals_say_why},
    {"one of many wins", one_of_many_wins},
    {"a generation is begun once", a_generation_is_begun_once},
    {"its key leads to its new end", its_key_leads_to_its_new_end},
    {"streams go on behind the voided response", streams_go_on_behind_the_voided_response},
    {"a silent run has frames when it goes on", a_silent_run_has_frames_when_it_goes_on},
    {"on other loops, and with large values", on_other_loops_and_in_large},
    {"it is killed meanwhile", it_is_killed_meanwhile},
    {"retention forgets the first end", retention_forgets_the_first_end},
};

SERVED_MAIN_NOTES(serve, seen, cases)
