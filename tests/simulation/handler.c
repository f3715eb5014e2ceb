/* handler: interprets a job's tree, and tells the ledger what it does and sees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/asked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/heap.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/remarked.h"
#include "tests/simulation/selected.h"
#include "tests/simulation/sent.h"
#include "tests/simulation/signalled.h"
#include "tests/simulation/upstream.h"

enum {
    LARGE_BYTES = 300000,
    CONVERTS = 8 /* one operation of so many converts a large text in an attempt, one in its branch or handler */
};

const char *const program_routes[ENDPOINTS] = {"POST /usual",  "POST /hasty",   "POST /tied", "POST /late",
                                               "POST /strict", "POST /patient", "jobs/work"};

/* One list of operations in the making: of the handler, or of a branch. */
typedef struct place {
    sw_ctx *c;
    run_record *run;
    const job *job;
    uint64_t result; /* so far */
} place;

static void run_list(place *p, int16_t first);

/* ---- Attempts ---- */

typedef struct attempt_note {
    run_record *run;
    int op;
} attempt_note;

static attempt_note notes[RUNS_MAX][OPS_MAX];

static void attempt_over(void *arg)
{
    const attempt_note *n = arg;
    promise_attempt_ends(n->run, n->op);
}

/* A place in an attempt where the process may die. */
static void crash_point(run_record *r, int at)
{
    const epoch_plan *e = &w->plan.epoch[w->epoch];
    if (e->end == END_POISON && w->jobs[r->job].poison == at && w->deaths < w->plan.deaths) {
        w->deaths++;
        r->kills++;
        world_fault("of a poison");
    }
    if (e->end == END_ATTEMPT && ++w->attempts == e->at) world_crash("in an attempt");
}

static void push_chunks(sw_ctx *c, const op *o, int op_index)
{
    for (int i = 0; i < o->chunks; i++)
        sw_push_chunk(c, sw_map(c, "op", sw_int(op_index), "attempt", sw_int(sw_attempt(c)), "n", sw_int(i), NULL));
}

static void fail(sw_ctx *c, const op *o)
{
    if (o->fatal) sw_fail_fatal(c, "fails for good");
    if (o->after) sw_fail_after(c, o->backoff_ms, "fails, and says when to try again");
    sw_fail(c, "fails");
}

/* Reads and writes a text that is large enough for another thread, so that others come in between. */
static void convert(sw_ctx *c)
{
    static char text[LARGE_BYTES + 1];
    if (!text[0]) {
        memset(text, 'x', LARGE_BYTES);
        text[0] = text[LARGE_BYTES - 1] = '"';
    }
    sw_bytes back = sw_json(c, sw_json_parse(c, text, LARGE_BYTES));
    bool same = back.len == LARGE_BYTES && memcmp(back.data, text, LARGE_BYTES) == 0;
    PROMISE("a text is written as it was read", same, "%zu bytes of %d came back", back.len, LARGE_BYTES);
}

/* One call, which changes something there. */
static void call(sw_ctx *c)
{
    const char *const headers[] = {sw_printf(c, "X-Call: %u", promise_calls()),
                                   sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)), NULL};
    const sw_request q = {
        .method = "POST", .url = UPSTREAM_URL, .headers = headers, .body = {"do it", 5}, .timeout_ms = 2000};
    sw_response answer = sw_fetch(c, &q);
    sw_response_check(c, &q, &answer);
}

static bool is_to_fail(sw_ctx *c, const run_record *r, const op *o)
{
    return sw_attempt(c) <= o->fails && r->releases + r->reopened <= (unsigned)o->mends;
}

static sw_value attempt(sw_ctx *c, sw_value input)
{
    run_record *r = world_run(sw_run_id(c));
    int at = (int)sw_as_int(sw_get(input, "op"), -1);
    const op *o = &w->jobs[r->job].ops[at];
    attempt_note *n = &notes[r - w->runs][at];
    *n = (attempt_note){r, at};
    bool was = heap_spare(); /* an attempt has begun, whatever is short then */
    const char *key = sw_step_key(c);
    heap_go_on(was);
    promise_attempt_begins(r, at, sw_attempt(c), key);
    r->ops[at].told_attempt = 0;
    sw_defer(c, attempt_over, n);
    remarked_say_in_attempt(c, r, at);
    crash_point(r, at);
    push_chunks(c, o, at);
    if (o->work_ms > 0) sw_sleep(c, "work", is_to_fail(c, r, o) && o->lingers ? 2 * o->timeout_ms : o->work_ms);
    crash_point(r, at);
    if (o->calls) call(c);
    if (at % CONVERTS == 1) convert(c);
    if (is_to_fail(c, r, o)) fail(c, o);
    uint64_t nonce = promise_nonce(r, at);
    char *padding = sw_alloc(c, (size_t)o->bytes + 1);
    memset(padding, 'p', (size_t)o->bytes);
    return sw_map(c, "n", sw_int((int64_t)nonce), "pad", sw_str(c, padding), NULL);
}

/* ---- Steps and groups ---- */

static sw_value input_of(const place *p, int16_t at)
{
    promise_comes_to(p->run, at);
    bool is_other = program_changes(p->run, at);
    return sw_map(p->c, "op", sw_int(at), "before", sw_int((int64_t)p->result), "other", sw_bool(is_other), NULL);
}

static sw_step_options options_of(const op *o)
{
    return (sw_step_options){
        .retries = o->retries, .timeout_ms = o->timeout_ms, .backoff_ms = o->backoff_ms, .sync = o->sync};
}

static void take_result(place *p, int16_t at, sw_value value)
{
    uint64_t nonce = (uint64_t)sw_as_int(sw_get(value, "n"), 0);
    promise_result(p->run, at, nonce);
    p->result = program_mix(p->result, nonce);
}

static void run_step(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    sw_step_options options = options_of(o);
    take_result(p, at, sw_step_with(p->c, o->id, attempt, input_of(p, at), &options));
}

static void run_try(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    sw_step_options options = options_of(o);
    sw_value value = sw_nil();
    if (sw_try_with(p->c, o->id, attempt, input_of(p, at), &options, &value, NULL))
        take_result(p, at, value);
    else
        p->result = program_mix(p->result, PROGRAM_FAILED);
}

static void take_sleep(const place *p, int16_t at)
{
    p->run->moves++;
    promise_sleep_ends(p->run, at, p->job->ops[at].ms);
}

/* A signal, or PROGRAM_FAILED. */
static void take_wait(place *p, int16_t at, uint64_t n)
{
    promise_choice(p->run, at, n);
    p->result = program_mix(p->result, n);
}

static void take_call(place *p, int16_t at, bool ok, sw_value value)
{
    bool detached = p->job->ops[at].detached && ok;
    uint64_t n = !ok ? PROGRAM_FAILED : detached ? 1 : strtoull(sw_cstr(p->c, sw_get(value, "result")), NULL, 16);
    if (detached)
        called_named(p->run, at, sw_cstr(p->c, sw_get(value, "run")));
    else
        called_told(p->run, at, ok, ok ? n : 0);
    p->result = program_mix(p->result, n);
}

static void take_member(place *p, int16_t at, sw_value value)
{
    switch (p->job->ops[at].kind) {
    case OP_CALL:
        take_call(p, at, true, value);
        return;
    case OP_STEP:
        take_result(p, at, value);
        return;
    case OP_WAIT:
        take_wait(p, at, asked_number(&value));
        return;
    case OP_SLEEP:
        take_sleep(p, at);
        return;
    default:
        p->result = program_mix(p->result, (uint64_t)sw_as_int(value, 0));
    }
}

/* The result of a member of `of`. */
static void take_settled(place *p, const op *of, int16_t at, sw_value result)
{
    if (!of->settles)
        take_member(p, at, result);
    else if (sw_as_bool(sw_get(result, "ok"), false))
        take_member(p, at, sw_get(result, "value"));
    else if (p->job->ops[at].kind == OP_WAIT)
        take_wait(p, at, PROGRAM_FAILED);
    else if (p->job->ops[at].kind == OP_CALL)
        take_call(p, at, false, sw_nil());
    else
        p->result = program_mix(p->result, PROGRAM_FAILED);
}

static void run_each(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    sw_value inputs = sw_array(p->c, 0);
    size_t i = 0;
    for (int16_t m = o->child; m != NO_OP; m = p->job->ops[m].next) sw_push(p->c, &inputs, input_of(p, m));
    const sw_each_options options = {.parallel_max = (size_t)o->parallel, .settle = o->settles, .step = options_of(o)};
    sw_value results = o->by_options ? sw_each_with(p->c, o->id, attempt, inputs, &options)
                                     : sw_each(p->c, o->id, attempt, inputs, (size_t)o->parallel);
    for (int16_t m = o->child; m != NO_OP; m = p->job->ops[m].next) take_settled(p, o, m, sw_at(results, i++));
}

static void branch_over(void *arg)
{
    const attempt_note *n = arg;
    promise_branch_ends(n->run, n->op);
}

static sw_value branch(sw_ctx *c, sw_value input)
{
    run_record *r = world_run(sw_run_id(c));
    place p = {.c = c, .run = r, .job = &w->jobs[r->job], .result = (uint64_t)sw_as_int(sw_get(input, "before"), 0)};
    int at = (int)sw_as_int(sw_get(input, "op"), -1);
    attempt_note *n = sw_alloc(c, sizeof *n);
    *n = (attempt_note){r, at};
    promise_branch_begins(r, at);
    sw_defer(c, branch_over, n);
    run_list(&p, p.job->ops[at].child);
    return sw_int((int64_t)p.result);
}

static sw_call_options call_options(const op *o)
{
    int64_t now_ms = w->steady_ns / 1000000 + w->ahead_ms;
    return (sw_call_options){
        .at_ms = o->ms > 0 ? now_ms + o->ms : 0, .timeout_ms = o->timeout_ms, .detached = o->detached};
}

static sw_value call_input(const place *p, const op *o)
{
    return sw_map(p->c, "job", sw_int(o->calls_job), "salt", sw_int(0), NULL);
}

static void run_call(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    const char *function = program_routes[ENDPOINT_FUNCTION];
    sw_call_options options = call_options(o);
    sw_value value = sw_nil();
    bool ok = true;
    if (o->tries)
        ok = sw_try_call_with(p->c, o->id, function, call_input(p, o), &options, &value, NULL);
    else
        value = sw_call_with(p->c, o->id, function, call_input(p, o), &options);
    take_call(p, at, ok, value);
}

static void add_member(const place *p, sw_group *g, const op *of, int16_t at)
{
    const op *o = &p->job->ops[at];
    sw_step_options options = options_of(o);
    const sw_wait wait = {.signal = (const char[]){o->name, 0}, .timeout_ms = o->ms};
    sw_call_options call = call_options(o);
    switch (o->kind) {
    case OP_CALL:
        sw_group_call_with(g, o->id, program_routes[ENDPOINT_FUNCTION], call_input(p, o), &call);
        return;
    case OP_STEP:
        sw_group_step_with(g, o->id, attempt, input_of(p, at), of->by_options ? NULL : &options);
        return;
    case OP_WAIT:
        sw_group_wait_for(g, o->id, &wait);
        return;
    case OP_SLEEP:
        promise_sleep_begins(p->run, at);
        sw_group_sleep(g, o->id, o->ms);
        return;
    default:
        sw_group_branch(g, o->id, branch, input_of(p, at));
    }
}

/* Goes on with the result of the member that has won. */
static void await_any(place *p, sw_group *g, int16_t at)
{
    sw_value value = sw_nil();
    size_t won = sw_group_any(g, p->job->ops[at].id, &value);
    selected_told(p->run, at);
    promise_choice(p->run, at, won);
    p->result = program_mix(p->result, won);
    take_member(p, selected_member(p->job, at, won), value);
}

static void run_group(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    const sw_group_options shared = {.parallel_max = (size_t)o->parallel, .settle = o->settles, .step = options_of(o)};
    sw_group *g = o->by_options ? sw_group_new_with(p->c, &shared) : sw_group_new(p->c);
    size_t i = 0;
    for (int16_t m = o->child; m != NO_OP; m = p->job->ops[m].next) add_member(p, g, o, m);
    run_list(p, o->other);
    if (o->any) {
        await_any(p, g, at);
        return;
    }
    sw_value results = o->settles && !o->by_options ? sw_group_settle(g) : sw_group_wait(g);
    for (int16_t m = o->child; m != NO_OP; m = p->job->ops[m].next) take_settled(p, o, m, sw_at(results, i++));
}

/* ---- The rest ---- */

static uint64_t choose(place *p, int16_t at, bool random)
{
    uint64_t value = random ? sw_random(p->c) : (uint64_t)sw_now(p->c);
    promise_choice(p->run, at, value);
    return value;
}

static void run_sleep(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    promise_sleep_begins(p->run, at);
    if (o->kind == OP_SLEEP) {
        sw_sleep(p->c, o->id, o->ms);
        take_sleep(p, at);
        return;
    }
    uint64_t now = choose(p, at, false);
    sw_sleep_until(p->c, o->id, (int64_t)now + o->ms);
    p->run->moves++;
    p->result = program_mix(p->result, now);
}

static void deferred(void *arg) { ((run_record *)arg)->open_defers--; }

static void run_if(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    uint64_t value = choose(p, at, true);
    p->result = program_mix(p->result, value);
    run_list(p, value % 2 ? o->child : o->other);
}

/* Whether the program of this process asks sw_patch already. */
static bool asks_patches(void) { return w->epoch >= w->plan.patched_from; }

static void run_patch(place *p, int16_t at)
{
    bool is_new = asks_patches() && sw_patch(p->c, sw_printf(p->c, "p%d", at));
    if (asks_patches()) promise_patch(p->run, at, is_new);
    p->result = program_mix(p->result, is_new);
    run_list(p, is_new ? p->job->ops[at].child : p->job->ops[at].other);
}

static void run_wait(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    sw_value signal = sw_nil();
    const sw_wait wait = {.signal = (const char[]){o->name, 0}, .timeout_ms = o->ms};
    bool has_come = sw_wait_for(p->c, o->id, &wait, &signal);
    uint64_t n = has_come ? asked_number(&signal) : PROGRAM_FAILED;
    signalled_waited(p->run, at, has_come, n);
    take_wait(p, at, n);
}

/* Sends it, or to a run that never was. */
static void run_send(place *p, int16_t at)
{
    int16_t n = sent_signal(p->run, at);
    const signal_note *s = &w->signals[n];
    bool is_sent = sw_send_signal(p->c, p->job->ops[at].id, n ? w->runs[s->run].id : "00000000000000000000000000",
                                  (const char[]){n ? s->name : 'a', 0}, sw_int(n));
    sent_told(p->run, at, is_sent);
    p->result = program_mix(p->result, is_sent);
}

static const char *ask(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    char texts[CHOICES_MAX][ASKED_CHOICE_MAX];
    const char *choices[CHOICES_MAX + 1] = {NULL};
    for (int16_t i = 0; i < o->choices; i++) choices[i] = asked_choice(p->run, at, i + 1, texts[i]);
    const sw_question asked = {.text = "Is it done?", .choices = o->choices > 0 ? choices : NULL};
    return sw_signal_url(p->c, o->id, (const char[]){o->name, 0}, at % 2 || o->choices > 0 ? &asked : NULL);
}

static void run_op(place *p, int16_t at)
{
    const op *o = &p->job->ops[at];
    if (at % CONVERTS == 2) convert(p->c);
    remarked_say(p->c, p->run, at);
    switch (o->kind) {
    case OP_STEP:
        run_step(p, at);
        return;
    case OP_TRY:
        run_try(p, at);
        return;
    case OP_EACH:
        run_each(p, at);
        return;
    case OP_GROUP:
        run_group(p, at);
        return;
    case OP_SLEEP:
    case OP_UNTIL:
        run_sleep(p, at);
        return;
    case OP_CHUNK:
        sw_push_chunk(p->c, sw_map(p->c, "op", sw_int(at), "result", sw_int((int64_t)p->result), NULL));
        return;
    case OP_NOW:
    case OP_RANDOM:
        p->result = program_mix(p->result, choose(p, at, o->kind == OP_RANDOM));
        return;
    case OP_IF:
        run_if(p, at);
        return;
    case OP_PATCH:
        run_patch(p, at);
        return;
    case OP_WAIT:
        run_wait(p, at);
        return;
    case OP_ASK:
        asked_by_handler(p->run, at, ask(p, at));
        return;
    case OP_SEND:
        run_send(p, at);
        return;
    case OP_CALL:
        run_call(p, at);
        return;
    case OP_DEFER:
        p->run->open_defers++;
        sw_defer(p->c, deferred, p->run);
        return;
    default:
        sw_fail(p->c, "the handler fails");
    }
}

static void run_list(place *p, int16_t first)
{
    for (int16_t at = first; at != NO_OP; at = p->job->ops[at].next) run_op(p, at);
}

static void execution_over(void *arg)
{
    promise_execution_ends(arg);
    called_leaves(arg);
}

/* What a run was asked for. */
typedef struct asked {
    unsigned at, salt;
} asked;

/* Does the job that the body, or the input, names. Returns its result. */
static uint64_t execute(sw_ctx *c, sw_value body, asked *is)
{
    int64_t at = sw_as_int(sw_get(body, "job"), -1);
    *is = (asked){(unsigned)at, (unsigned)sw_as_int(sw_get(body, "salt"), 0)};
    run_record *r = world_run_make(sw_run_id(c), (int)at);
    place p = {.c = c, .run = r, .job = &w->jobs[at], .result = program_first((unsigned)at)};
    promise_execution_begins(r);
    called_begins(r);
    sw_defer(c, execution_over, r);
    run_list(&p, p.job->first);
    return p.result;
}

static void handle(sw_ctx *c)
{
    char reply[PROGRAM_REPLY_MAX];
    asked is;
    uint64_t result = execute(c, sw_body_json(c), &is);
    program_reply(reply, is.at, is.salt, result);
    sw_reply(c, program_status(is.at, result), "application/json", reply, strlen(reply));
}

static sw_value function(sw_ctx *c, sw_value input)
{
    asked is;
    uint64_t result = execute(c, input, &is);
    return sw_map(c, "job", sw_int(is.at), "salt", sw_int(is.salt), "result",
                  sw_strf(c, "%016llx", (unsigned long long)result));
}

void program_endpoints(sw_app *app)
{
    const sw_endpoint_options options[ENDPOINTS] = {
        [ENDPOINT_HASTY] = {.durability = SW_RELAXED},
        [ENDPOINT_TIED] = {.on_disconnect = SW_CANCEL, .on_difference = SW_STOP},
        [ENDPOINT_LATE] = {.timeout_ms = w->plan.deadline_ms, .on_difference = SW_STOP},
        [ENDPOINT_STRICT] = {.on_difference = SW_STOP},
        [ENDPOINT_PATIENT] = {.on_exhausted = SW_STOP}};
    for (int i = 0; i < ENDPOINTS; i++) {
        if (i == w->plan.epoch[w->epoch].lacks) continue;
        if (i == ENDPOINT_FUNCTION)
            sw_function(app, program_routes[i], function, NULL);
        else
            sw_endpoint(app, program_routes[i], handle, &options[i]);
    }
}
