#include "runtime/admin/resume.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/admin/body.h"
#include "runtime/admin/inquiry.h"
#include "runtime/admin/resume_plan.h"
#include "runtime/base/moment.h"
#include "runtime/base/problem.h"
#include "runtime/clients/run_url.h"
#include "runtime/run/reopen.h"

/* A request whose run is being looked at. */
typedef struct resume_request {
    inquiry base;
    run_id run;
} resume_request;

enum { BODY_BYTES = RUN_URL_MAX + 192, CALLER_BYTES = RUN_ID_TEXT + 32 };

/* The member that names the run which has called this one; empty: none has, or none waits. */
static void caller_format(const run_id *caller, char out[CALLER_BYTES])
{
    char id[RUN_ID_TEXT + 1];
    *out = 0;
    if (!caller) return;
    run_id_format(caller, id);
    (void)snprintf(out, CALLER_BYTES, ",\"calledBy\":\"%s\"", id);
}

static void request_reply(const resume_request *q, const reopen_result *result)
{
    char id[RUN_ID_TEXT + 1], url[RUN_URL_MAX], caller[CALLER_BYTES], body[BODY_BYTES];
    run_id_format(&q->run, id);
    run_url(q->base.home, &(run_link){.run = &q->run, .what = "output", .scope = RUN_TOKEN_READ}, url);
    caller_format(result->caller, caller);
    const http_reply_header headers[] = {{"Content-Type", "application/json"}, {"X-Run-Id", id}};
    int len = snprintf(body, sizeof body, "{\"runId\":\"%s\",\"generation\":%u,\"outputUrl\":\"%s\"%s}\n", id,
                       result->generation, url, caller);
    assert(len > 0 && (size_t)len < sizeof body);
    http_reply(q->base.x, 202, headers, 2, (http_text){body, (size_t)len});
}

static void request_on_done(void *arg, const reopen_result *result)
{
    resume_request *q = arg;
    if (result->reason != REOPEN_DONE) {
        inquiry_refuse(&q->base, reopen_status(result->reason), result->detail, result->retry_after);
        return;
    }
    request_reply(q, result);
    free(q);
}

/* False: the exchange has its answer. */
static bool resume_read_wish(http_exchange *x, arena *a, reopen_wish *wish, bool *is_dry)
{
    sw_value timeout, generation, dry;
    const body_member members[] = {
        {"timeoutMs", SW_INT, &timeout}, {"generation", SW_INT, &generation}, {"dryRun", SW_BOOL, &dry}};
    if (!body_read(x, a, members, 3)) return false;
    *is_dry = sw_as_bool(dry, false);
    int64_t ms = sw_as_int(timeout, -1), number = sw_as_int(generation, -1);
    const char *wrong = NULL;
    if (!sw_is_nil(timeout) && (ms < 0 || ms > MOMENT_LAST_MS))
        wrong = "\"timeoutMs\" is 0, for no deadline, or up to 253402300799999"; /* MOMENT_LAST_MS */
    if (!sw_is_nil(generation) && (number < 1 || number > UINT32_MAX)) wrong = "\"generation\" is 1 to 4294967295";
    if (wrong) problem_reply(x, 400, wrong, NULL);
    wish->timeout_ms = ms;
    wish->generation = number > 0 ? (uint32_t)number : 0;
    return !wrong;
}

/* Takes the exchange. */
static void resume_begin(home *h, http_exchange *x, const reopen_wish *wish)
{
    resume_request *q = inquiry_new(h, x, sizeof *q);
    if (!q) return;
    q->run = wish->run;
    reopen_begin(h, wish, request_on_done, q);
}

void resume_answer(home *h, http_exchange *x, const run_id *id, const char *by)
{
    arena a;
    reopen_wish wish = {.run = *id, .timeout_ms = -1, .by = by};
    arena_init(&a, h->arenas);
    bool is_dry = false, is_read = resume_read_wish(x, &a, &wish, &is_dry);
    if (is_read && is_dry)
        resume_plan_answer(h, x, id);
    else if (is_read)
        resume_begin(h, x, &wish);
    arena_free(&a);
}
