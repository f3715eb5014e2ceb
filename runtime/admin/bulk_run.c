#include "runtime/admin/bulk_run.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/bulk_plan.h"
#include "runtime/base/clock.h"
#include "runtime/run/board.h"
#include "runtime/run/ctx.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"

enum {
    PAGE_RUNS = 100, /* letters of a step, at most */
    PAGE_RUNS_MIN = 10,
    COUNT_MAX = 1000000,
    FIND_BYTES_MAX = 65536, /* read from each end of a journal */
    FIND_MS = 500,          /* of one question to the store */
    MOMENT_MS = 2,
    TOLD_MS = 10000, /* how long a page waits to be told what became of its letters */
    AGAIN_MS = 1000  /* until a letter that could not be written is written again */
};

static const sw_step_options patient = {.retries = 30, .backoff_max_ms = 30000};
/* The marks of its letters are deleted when its result is on disk. */
static const sw_step_options once = {.retries = 30, .backoff_max_ms = 30000, .sync = true};

static void plan_read(sw_ctx *c, bulk_plan *p)
{
    char wrong[BULK_WRONG_BYTES];
    sw_value v = sw_body_json(c);
    const bulk_body body = {.action = sw_get(v, "action"),
                            .filter = sw_get(v, "filter"),
                            .as_of = sw_get(v, "asOf"),
                            .per_second = sw_get(v, "perSecond"),
                            .max = sw_get(v, "max"),
                            .by = sw_get(v, "by"),
                            .text = sw_get(v, "text")};
    const char *why = bulk_plan_read(p, c->task->home->app, &body, wrong);
    if (why) sw_fail_fatal(c, "%s", why);
}

/* ---- Finding ---- */

/* A run to act on, as the journal has it: its id, and of a run that is to be resumed the generation that is to begin,
 * big endian; 0: the next one, whichever that is. */
typedef struct bulk_target {
    run_id run;
    uint32_t generation;
} bulk_target;

enum { TARGET_BYTES = RUN_ID_BYTES + 4 };

static void target_write(uint8_t *to, const bulk_target *t)
{
    uint32_t generation = htobe32(t->generation);
    memcpy(to, t->run.bytes, RUN_ID_BYTES);
    memcpy(to + RUN_ID_BYTES, &generation, sizeof generation);
}

static bulk_target target_read(const uint8_t *from)
{
    bulk_target t;
    memcpy(t.run.bytes, from, RUN_ID_BYTES);
    memcpy(&t.generation, from + RUN_ID_BYTES, sizeof t.generation);
    t.generation = be32toh(t.generation);
    return t;
}

/* Of a journal that was not read whole it is not known how often its run was resumed. */
static bulk_target target_of(const store_summary *s)
{
    bool is_known = !s->cut || s->of.reopened > 0;
    return (bulk_target){.run = s->run, .generation = is_known ? s->of.reopened + 1 : 0};
}

/* A question to the store. Outlives the attempt that asked, if that is cut. */
typedef struct finding {
    bulk_plan plan; /* the store borrows its texts */
    bool is_told, is_orphan;
    bool failed;
    bool has_next;
    run_id next;
    size_t count;
    bulk_target runs[PAGE_RUNS];
    bulk_verdict verdicts[PAGE_RUNS];
} finding;

static void finding_let_go(void *arg)
{
    finding *f = arg;
    f->is_orphan = true;
    if (f->is_told) free(f);
}

static void finding_on_found(void *arg, const store_found *found)
{
    finding *f = arg;
    assert(!f->is_told && found->count <= PAGE_RUNS);
    f->is_told = true;
    f->failed = found->error != NULL;
    for (; !f->failed && f->count < found->count; f->count++) {
        f->runs[f->count] = target_of(&found->runs[f->count]);
        f->verdicts[f->count] = bulk_plan_judge(&f->plan, &found->runs[f->count]);
    }
    f->has_next = found->next != NULL;
    if (found->next) f->next = *found->next;
    if (f->is_orphan) free(f);
}

/* Makes one for the attempt, which lets go of it at its end. */
static finding *finding_new(sw_ctx *c)
{
    finding *f = calloc(1, sizeof *f);
    if (!f) sw_fail(c, "out of memory");
    f->is_told = true; /* nothing is under way */
    sw_defer(c, finding_let_go, f);
    plan_read(c, &f->plan);
    return f;
}

/* Asks for the runs that began before `before` (nil: the newest), which goes back with each question. */
static void find_once(sw_ctx *c, finding *f, sw_value before)
{
    const char *text = sw_cstr(c, before);
    run_id id;
    assert(f->is_told);
    f->count = 0;
    f->has_next = f->failed = false;
    if (text && run_id_parse(text, strlen(text), &id)) run_filter_lower(&f->plan.filter, &id);
    if (f->plan.filter.is_empty) return;
    f->plan.filter.query.limit = PAGE_RUNS;
    f->plan.filter.query.bytes_max = FIND_BYTES_MAX;
    f->plan.filter.query.ms_max = FIND_MS;
    f->is_told = false;
    if (!store_find(c->task->home->port, &f->plan.filter.query, finding_on_found, f)) {
        f->is_told = true;
        sw_fail(c, "%s", store_no_memory);
    }
    while (!f->is_told) sw_sleep(c, "found", MOMENT_MS);
    if (f->failed) sw_fail(c, "the runs cannot be listed now");
}

/* Adds to how many runs were skipped for a reason. */
static void count_skipped(sw_ctx *c, sw_value *skipped, const char *why, int64_t more)
{
    if (more > 0) sw_set(c, skipped, why, sw_int(sw_as_int(sw_get(*skipped, why), 0) + more));
}

static void count_all_skipped(sw_ctx *c, sw_value *to, sw_value from)
{
    for (size_t i = 0; i < sw_len(from); i++) {
        sw_value n, key = sw_key_at(from, i, &n);
        count_skipped(c, to, sw_cstr(c, key), sw_as_int(n, 0));
    }
}

/* A step: {"before": id, "most": n} to {"runs": targets, one after the other, "skipped": {why: n}, "next": id}. Asks
 * until there is a run to act on, or no further one. */
static sw_value find_page(sw_ctx *c, sw_value input)
{
    char next[RUN_ID_TEXT + 1];
    sw_value skipped = sw_map(c), before = sw_get(input, "before");
    uint8_t targets[PAGE_RUNS * TARGET_BYTES];
    size_t count = 0, most = (size_t)sw_as_int(sw_get(input, "most"), PAGE_RUNS);
    assert(most >= 1 && most <= PAGE_RUNS);
    finding *f = finding_new(c);
    for (bool more = true; more && count == 0;) {
        find_once(c, f, before);
        size_t i = 0;
        for (; i < f->count && count < most; i++) {
            bool acts = f->verdicts[i] == BULK_ACTS && !run_id_equal(&f->runs[i].run, &c->run->id);
            if (acts) target_write(targets + TARGET_BYTES * count++, &f->runs[i]);
            if (!acts) count_skipped(c, &skipped, bulk_verdict_name(f->verdicts[i] ? f->verdicts[i] : BULK_IS_BULK), 1);
        }
        bool is_cut = i < f->count; /* the rest comes with the next page */
        more = is_cut || f->has_next;
        if (more) run_id_format(is_cut ? &f->runs[i - 1].run : &f->next, next);
        before = more ? sw_str(c, next) : sw_nil();
    }
    return sw_map(c, "runs", sw_bin(c, targets, count * TARGET_BYTES), "skipped", skipped, "next", before);
}

/* ---- Acting ---- */

static void sending_let_go(void *arg) { board_end(arg); }

static letter_kind letter_of(bulk_action action)
{
    if (action == BULK_RESUME) return (letter_kind)BOARD_RESUME;
    return action == BULK_CANCEL ? LETTER_CANCEL : action == BULK_STOP ? LETTER_STOP : LETTER_RELEASE;
}

/* No home takes letters any more when the process ends: the next one goes on, and knows those that were written. */
static void fail_if_draining(sw_ctx *c)
{
    if (c->task->home->draining) sw_fail(c, "the process ends");
}

/* Sends the letters, at the rate that was asked for. */
static void send_letters(sw_ctx *c, board_batch *t, const bulk_plan *p, const uint8_t *targets, size_t count)
{
    int64_t began_ms = clock_steady_ms();
    for (size_t i = 0; i < count; i++) {
        int64_t due_ms = began_ms + (int64_t)i * 1000 / p->per_second, left_ms = due_ms - clock_steady_ms();
        if (left_ms > 0) sw_sleep(c, "pace", left_ms);
        fail_if_draining(c);
        bulk_target to = target_read(targets + i * TARGET_BYTES);
        (void)board_send(t, &to.run, to.generation);
    }
}

/* Waits until it is known what became of all letters, or for so long. Those that could not be written are sent again:
 * nobody is left out for a full disk. */
static void await_fates(sw_ctx *c, board_batch *t, size_t count)
{
    int64_t began_ms = clock_steady_ms();
    for (size_t open = count; open > 0;) {
        size_t unwritten = 0;
        open = 0;
        for (size_t i = 0; i < count; i++) {
            letter_fate fate;
            bool is_told = board_is_told(t, i, &fate);
            open += !is_told;
            if (!is_told || fate != LETTER_UNWRITTEN) continue;
            unwritten++;
            board_send_again(t, i);
        }
        if (unwritten > 0) fail_if_draining(c);
        if (unwritten > 0)
            sw_sleep(c, "again", AGAIN_MS);
        else if (open > 0 && clock_steady_ms() - began_ms >= TOLD_MS)
            return;
        else if (open > 0)
            sw_sleep(c, "told", MOMENT_MS);
        open += unwritten;
    }
}

/* {"done": n, "pending": n, "skipped": {why: n}}; pending: it will be done, by this or a later process. A letter that
 * an earlier attempt had written (LETTER_TAKEN) was obeyed, or led to nothing, as far as anybody can know then. */
static sw_value sum_fates(sw_ctx *c, board_batch *t, size_t count)
{
    int64_t done = 0, pending = 0, vain = 0;
    for (size_t i = 0; i < count; i++) {
        letter_fate fate;
        bool is_told = board_is_told(t, i, &fate);
        done += is_told && (fate == LETTER_OBEYED || fate == LETTER_TAKEN);
        vain += is_told && fate == LETTER_IN_VAIN;
        pending += !is_told || fate == LETTER_KEPT;
    }
    sw_value skipped = sw_map(c);
    count_skipped(c, &skipped, bulk_verdict_name(BULK_CHANGED), vain);
    return sw_map(c, "done", sw_int(done), "pending", sw_int(pending), "skipped", skipped);
}

/* A step: the targets of a page to what has become of its letters. */
static sw_value act_on_page(sw_ctx *c, sw_value targets)
{
    bulk_plan *p = sw_alloc(c, sizeof *p);
    size_t count = sw_len(targets) / TARGET_BYTES;
    plan_read(c, p);
    const letter_wish wish = {.kind = letter_of(p->action), .by = p->by, .text = *p->text ? p->text : NULL};
    board_batch *t = board_begin(c->task->home->app->board, &c->run->id, &wish, count);
    if (!t) sw_fail(c, "out of memory");
    sw_defer(c, sending_let_go, t);
    send_letters(c, t, p, (const uint8_t *)targets.via.bin.ptr, count);
    await_fates(c, t, count);
    return sum_fates(c, t, count);
}

/* A step: deletes the marks of letters whose fates are on disk. */
static sw_value tidy_up(sw_ctx *c, sw_value targets)
{
    size_t count = sw_len(targets) / TARGET_BYTES;
    uint8_t ids[PAGE_RUNS * RUN_ID_BYTES];
    for (size_t i = 0; i < count && i < PAGE_RUNS; i++)
        memcpy(ids + i * RUN_ID_BYTES, targets.via.bin.ptr + i * TARGET_BYTES, RUN_ID_BYTES);
    board_tidying *t = board_forget(c->task->home, &c->run->id, ids, count * RUN_ID_BYTES);
    bool ok = false;
    if (!t) sw_fail(c, "out of memory");
    sw_defer(c, board_forget_end, t);
    while (!board_is_forgotten(t, &ok)) sw_sleep(c, "forgotten", MOMENT_MS);
    if (!ok) sw_fail(c, "the journal cannot be written");
    return sw_nil();
}

/* ---- The run ---- */

/* A step: how many runs there are to act on. */
static sw_value count_runs(sw_ctx *c, sw_value most)
{
    char next[RUN_ID_TEXT + 1];
    sw_value before = sw_nil();
    int64_t count = 0;
    finding *f = finding_new(c);
    for (bool more = true; more && count < sw_as_int(most, 0);) {
        find_once(c, f, before);
        for (size_t i = 0; i < f->count; i++)
            count += f->verdicts[i] == BULK_ACTS && !run_id_equal(&f->runs[i].run, &c->run->id);
        more = f->has_next;
        if (!more) break;
        run_id_format(&f->next, next);
        before = sw_str(c, next);
    }
    return sw_int(count < sw_as_int(most, 0) ? count : sw_as_int(most, 0));
}

typedef struct bulk_sum {
    int64_t done, pending, sent, all;
    sw_value skipped;
} bulk_sum;

/* What is left is an estimate: runs come and go. */
static sw_value sum_value(sw_ctx *c, const bulk_sum *s)
{
    int64_t left = s->all > s->sent ? s->all - s->sent : 0;
    return sw_map(c, "done", sw_int(s->done), "pending", sw_int(s->pending), "skipped", s->skipped, "left",
                  sw_int(left));
}

/* Acts on the runs of a page and adds what came of it. */
static void act(sw_ctx *c, bulk_sum *sum, sw_value targets, bool has_marks)
{
    if (sw_len(targets) == 0) return;
    sw_value told = sw_step_with(c, "act", act_on_page, targets, &once);
    if (has_marks) (void)sw_step_with(c, "tidy", tidy_up, targets, &patient);
    sum->sent += (int64_t)(sw_len(targets) / TARGET_BYTES);
    sum->done += sw_as_int(sw_get(told, "done"), 0);
    sum->pending += sw_as_int(sw_get(told, "pending"), 0);
    count_all_skipped(c, &sum->skipped, sw_get(told, "skipped"));
}

/* Letters of a step: about two seconds of them, so that a stop does not take long. */
static int64_t page_size(const bulk_plan *p)
{
    int64_t runs = 2 * p->per_second;
    return runs > PAGE_RUNS ? PAGE_RUNS : runs < PAGE_RUNS_MIN ? PAGE_RUNS_MIN : runs;
}

void bulk_run(sw_ctx *c)
{
    bulk_plan *p = sw_alloc(c, sizeof *p);
    bulk_sum sum = {.skipped = sw_map(c)};
    sw_value before = sw_nil();
    plan_read(c, p);
    int64_t most = p->max > 0 && p->max < COUNT_MAX ? p->max : COUNT_MAX;
    sum.all = sw_as_int(sw_step_with(c, "count", count_runs, sw_int(most), &patient), 0);
    for (bool more = true; more && (p->max == 0 || sum.sent < p->max);) {
        int64_t room = page_size(p);
        if (p->max > 0 && p->max - sum.sent < room) room = p->max - sum.sent;
        sw_status(c, sum_value(c, &sum));
        sw_value page = sw_step_with(c, "find", find_page, sw_map(c, "before", before, "most", sw_int(room)), &patient);
        count_all_skipped(c, &sum.skipped, sw_get(page, "skipped"));
        act(c, &sum, sw_get(page, "runs"), p->action != BULK_RESUME);
        before = sw_get(page, "next");
        more = sw_type(before) == SW_STRING;
    }
    sum.all = sum.sent;
    sw_status(c, sum_value(c, &sum));
    sw_reply_json(c, 200,
                  sw_map(c, "action", sw_str(c, bulk_action_name(p->action)), "done", sw_int(sum.done), "pending",
                         sw_int(sum.pending), "skipped", sum.skipped));
}
