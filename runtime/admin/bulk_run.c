#include "runtime/admin/bulk_run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
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
    FIND_MS = 500,  /* of one question to the store */
    PAGE_MS = 5000, /* how long a page is looked for that is not full */
    MOMENT_MS = 2,
    TOLD_MS = 10000, /* how long a page waits to be told what became of letters that are on disk */
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

/* Runs to act on are journaled as their ids, one after the other. */
static run_id target_read(sw_value targets, size_t i)
{
    run_id id;
    assert((i + 1) * RUN_ID_BYTES <= sw_len(targets));
    memcpy(id.bytes, targets.via.bin.ptr + i * RUN_ID_BYTES, RUN_ID_BYTES);
    return id;
}

static size_t targets_count(sw_value targets) { return sw_len(targets) / RUN_ID_BYTES; }

/* A question to the store. Outlives the attempt that asked, if that is cut. */
typedef struct finding {
    bulk_plan plan; /* the store borrows its texts */
    run_id asker;
    bool is_told, is_orphan;
    bool failed;
    bool has_next;
    run_id next;
    size_t count;
    run_id runs[PAGE_RUNS];
    bulk_verdict verdicts[PAGE_RUNS];
} finding;

static void finding_let_go(void *arg)
{
    finding *f = arg;
    f->is_orphan = true;
    if (f->is_told) free(f);
}

/* A bulk action leaves itself alone, also where its filter names its own endpoint. */
static bulk_verdict finding_judge(const finding *f, const store_summary *found)
{
    return run_id_equal(&found->run, &f->asker) ? BULK_IS_BULK : bulk_plan_judge(&f->plan, found);
}

static void finding_on_found(void *arg, const store_found *found)
{
    finding *f = arg;
    assert(!f->is_told && found->count <= PAGE_RUNS);
    f->is_told = true;
    f->failed = found->error != NULL;
    for (; !f->failed && f->count < found->count; f->count++) {
        f->runs[f->count] = found->runs[f->count].run;
        f->verdicts[f->count] = finding_judge(f, &found->runs[f->count]);
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
    f->asker = c->run->id;
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

/* A page in the making. */
typedef struct found_page {
    uint8_t targets[PAGE_RUNS * RUN_ID_BYTES];
    size_t count, most;
    sw_value skipped;
} found_page;

/* Takes what was found, as far as there is room. Returns how many runs were looked at. */
static size_t page_take(sw_ctx *c, found_page *p, const finding *f)
{
    size_t i = 0;
    for (; i < f->count && p->count < p->most; i++) {
        if (BUG(BULK_LEAVES_OUT) && f->verdicts[i] == BULK_ACTS && i == 1) continue;
        if (f->verdicts[i] == BULK_ACTS)
            memcpy(p->targets + RUN_ID_BYTES * p->count++, f->runs[i].bytes, RUN_ID_BYTES);
        else
            count_skipped(c, &p->skipped, bulk_verdict_name(f->verdicts[i]), 1);
    }
    return i;
}

/* A step: {"before": id, "most": n} to {"runs": targets, "skipped": {why: n}, "next": id}. Asks until the page is full,
 * or there is no further run; after PAGE_MS one run to act on is enough: each page is three steps of --steps-max. */
static sw_value find_page(sw_ctx *c, sw_value input)
{
    char next[RUN_ID_TEXT + 1];
    sw_value before = sw_get(input, "before");
    found_page p = {.most = (size_t)sw_as_int(sw_get(input, "most"), PAGE_RUNS), .skipped = sw_map(c)};
    int64_t began_ms = clock_steady_ms();
    assert(p.most >= 1 && p.most <= PAGE_RUNS);
    finding *f = finding_new(c);
    for (bool more = true; more && p.count < p.most;) {
        if (p.count > 0 && clock_steady_ms() - began_ms >= PAGE_MS) break;
        find_once(c, f, before);
        size_t taken = page_take(c, &p, f);
        bool is_cut = taken < f->count; /* the rest comes with the next page */
        more = is_cut || f->has_next;
        if (more) run_id_format(is_cut ? &f->runs[taken - 1] : &f->next, next);
        before = more ? sw_str(c, next) : sw_nil();
    }
    return sw_map(c, "runs", sw_bin(c, p.targets, p.count * RUN_ID_BYTES), "skipped", p.skipped, "next", before);
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

/* Reads which of the runs an earlier attempt has written letters to. */
static const board_marks *read_marks(sw_ctx *c, sw_value targets)
{
    size_t count = targets_count(targets);
    /* The newest run is the first. */
    const board_span span = {target_read(targets, count - 1), target_read(targets, 0), count};
    board_marks *m = board_read_marks(c->task->home, &c->run->id, &span);
    bool ok = false;
    if (!m) sw_fail(c, "out of memory");
    sw_defer(c, board_marks_end, m);
    while (!board_marks_are_read(m, &ok)) sw_sleep(c, "marks", MOMENT_MS);
    if (!ok) sw_fail(c, "the marks of letters cannot be read now");
    return m;
}

/* Sends the letters that no earlier attempt has written, at the rate that was asked for. Returns how many. */
static size_t send_letters(sw_ctx *c, board_batch *t, const bulk_plan *p, sw_value targets)
{
    const board_marks *written = read_marks(c, targets);
    size_t sent = 0;
    int64_t began_ms = clock_steady_ms();
    for (size_t i = 0; i < targets_count(targets); i++) {
        run_id to = target_read(targets, i);
        if (board_has_mark(written, &to)) continue;
        int64_t due_ms = began_ms + (int64_t)sent * 1000 / p->per_second, left_ms = due_ms - clock_steady_ms();
        if (left_ms > 0) sw_sleep(c, "pace", left_ms);
        fail_if_draining(c);
        (void)board_send(t, &to);
        sent++;
    }
    return sent;
}

/* How the letters of a page stand. */
typedef struct standing {
    size_t open;      /* nobody knows yet whether they will be done: nothing may count on them */
    size_t unwritten; /* of these: those that are sent again */
    size_t written;   /* on disk, and not obeyed yet */
} standing;

/* Those that could not be written are sent again: nobody is left out for a full disk. */
static standing look_at_letters(board_batch *t, size_t count)
{
    standing s = {.open = 0};
    for (size_t i = 0; i < count; i++) {
        letter_fate fate;
        board_stage stage = board_stage_of(t, i, &fate);
        bool is_unwritten = stage == BOARD_TOLD && fate == LETTER_UNWRITTEN;
        s.written += stage == BOARD_WRITTEN;
        s.unwritten += is_unwritten;
        s.open += is_unwritten || stage == BOARD_WAITS || stage == BOARD_TAKEN;
        if (is_unwritten) board_send_again(t, i);
    }
    return s;
}

/* Waits until it is known what became of all letters: of those that are on disk for TOLD_MS at most, since they will be
 * obeyed; of the others, and of runs that are to be resumed, as long as it takes. */
static void await_fates(sw_ctx *c, board_batch *t, size_t count)
{
    int64_t open_ms = clock_steady_ms(); /* when something was open last */
    for (standing s; s = look_at_letters(t, count), s.open > 0 || s.written > 0;) {
        if (s.open > 0) {
            fail_if_draining(c);
            open_ms = clock_steady_ms();
        } else if (c->task->home->draining || clock_steady_ms() - open_ms >= TOLD_MS) {
            return;
        }
        sw_sleep(c, "told", s.unwritten > 0 ? AGAIN_MS : MOMENT_MS);
    }
}

/* NULL: it was done, or will be. */
static const char *fate_reason(letter_fate fate)
{
    switch (fate) {
    case LETTER_IN_VAIN:
        return bulk_verdict_name(BULK_CHANGED);
    case LETTER_UNREADABLE:
        return bulk_verdict_name(BULK_IS_UNREADABLE);
    case LETTER_REFUSED:
        return bulk_verdict_name(BULK_IS_REFUSED);
    default:
        return NULL;
    }
}

/* {"done": n, "pending": n, "skipped": {why: n}}; pending: it will be done, by this or a later process. A letter that
 * an earlier attempt had written (`earlier`, LETTER_TAKEN) was obeyed, or led to nothing, as far as anybody can know
 * then. */
static sw_value sum_fates(sw_ctx *c, board_batch *t, size_t count, size_t earlier)
{
    int64_t done = BUG(BULK_MISCOUNTS) ? 0 : (int64_t)earlier, pending = 0;
    sw_value skipped = sw_map(c);
    for (size_t i = 0; i < count; i++) {
        letter_fate fate;
        board_stage stage = board_stage_of(t, i, &fate);
        assert(stage == BOARD_WRITTEN || stage == BOARD_TOLD);
        bool is_pending = stage == BOARD_WRITTEN || fate == LETTER_KEPT;
        const char *why = is_pending ? NULL : fate_reason(fate);
        pending += is_pending;
        done += !is_pending && !why;
        if (why) count_skipped(c, &skipped, why, 1);
    }
    return sw_map(c, "done", sw_int(done), "pending", sw_int(pending), "skipped", skipped);
}

/* A step: the targets of a page to what has become of its letters. */
static sw_value act_on_page(sw_ctx *c, sw_value targets)
{
    bulk_plan *p = sw_alloc(c, sizeof *p);
    size_t count = targets_count(targets);
    plan_read(c, p);
    const letter_wish wish = {.kind = letter_of(p->action), .by = p->by, .text = *p->text ? p->text : NULL};
    board_batch *t = board_begin(c->task->home->app->board, &c->run->id, &wish, count);
    if (!t) sw_fail(c, "out of memory");
    sw_defer(c, sending_let_go, t);
    size_t sent = send_letters(c, t, p, targets);
    await_fates(c, t, sent);
    return sum_fates(c, t, sent, count - sent);
}

/* A step: deletes the marks of letters whose fates are on disk. */
static sw_value tidy_up(sw_ctx *c, sw_value targets)
{
    board_tidying *t = board_forget(c->task->home, &c->run->id, (const uint8_t *)targets.via.bin.ptr, sw_len(targets));
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
        for (size_t i = 0; i < f->count; i++) count += f->verdicts[i] == BULK_ACTS;
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
static void act(sw_ctx *c, bulk_sum *sum, sw_value targets)
{
    if (sw_len(targets) == 0) return;
    sw_value told = sw_step_with(c, "act", act_on_page, targets, &once);
    (void)sw_step_with(c, "tidy", tidy_up, targets, &patient);
    sum->sent += (int64_t)targets_count(targets);
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
        act(c, &sum, sw_get(page, "runs"));
        before = sw_get(page, "next");
        more = sw_type(before) == SW_STRING;
    }
    sum.all = sum.sent;
    sw_status(c, sum_value(c, &sum));
    sw_reply_json(c, 200,
                  sw_map(c, "action", sw_str(c, bulk_action_name(p->action)), "done", sw_int(sum.done), "pending",
                         sw_int(sum.pending), "skipped", sum.skipped));
}
