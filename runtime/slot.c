#include "runtime/slot.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/moment.h"
#include "runtime/replay.h"
#include "runtime/waiter.h"

enum { LOAD_BATCH = 256, LOADING_MAX = 1024, SCAN_ROWS = 4096, RETRY_MS = 5000 };

bool slot_table_init(slot_table *t)
{
    *t = (slot_table){.bucket_count = 1024};
    TAILQ_INIT(&t->due);
    TAILQ_INIT(&t->asked);
    TAILQ_INIT(&t->held);
    t->buckets = calloc(t->bucket_count, sizeof(slot *));
    return t->buckets != NULL;
}

void slot_table_free(slot_table *t)
{
    for (size_t i = 0; i < t->bucket_count; i++)
        for (slot *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            assert(!s->run && !s->waiters);
            free(s);
        }
    free(t->buckets);
    t->buckets = NULL;
}

static slot **bucket(const slot_table *t, const run_id *id)
{
    return &t->buckets[run_id_hash(id) & (t->bucket_count - 1)];
}

slot *slot_find(const slot_table *t, const run_id *id)
{
    slot *s = *bucket(t, id);
    while (s && !run_id_equal(&s->id, id)) s = s->next;
    return s;
}

/* A table that cannot grow gets slower, not wrong. */
static void grow(slot_table *t)
{
    slot_table bigger = {.bucket_count = t->bucket_count * 2};
    bigger.buckets = calloc(bigger.bucket_count, sizeof(slot *));
    if (!bigger.buckets) return;
    for (size_t i = 0; i < t->bucket_count; i++)
        for (slot *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            slot **at = bucket(&bigger, &s->id);
            s->next = *at;
            *at = s;
        }
    free(t->buckets);
    t->buckets = bigger.buckets;
    t->bucket_count = bigger.bucket_count;
}

slot *slot_add(sw_loop *l, const run_id *id)
{
    slot_table *t = &l->slots;
    assert(!slot_find(t, id));
    slot *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    if (t->count >= t->bucket_count) grow(t);
    *s = (slot){.id = *id, .state = SLOT_RUNNING, .next = *bucket(t, id)};
    *bucket(t, id) = s;
    counter_add(&t->count, 1);
    return s;
}

void slot_remove(sw_loop *l, slot *s)
{
    slot_table *t = &l->slots;
    assert(!s->waiters && !s->run && s->state != SLOT_QUEUED);
    timers_stop(&l->timers, &s->due);
    slot **at = bucket(t, &s->id);
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    counter_add(&t->count, -1);
    free(s);
}

static void on_due(struct timer *t)
{
    sw_loop *l = t->arg;
    slot_wake(l, (slot *)((char *)t - offsetof(slot, due)));
}

void slot_park(sw_loop *l, slot *s, int64_t due_ms)
{
    s->run = NULL;
    s->state = SLOT_PARKED;
    s->unfinished = true;
    s->due = (struct timer){.fn = on_due, .arg = l};
    int64_t wait_ms = moment_of(due_ms) - loop_now_ms();
    if (wait_ms <= 0 || !timers_start(&l->timers, &s->due, (uint64_t)wait_ms)) slot_wake(l, s);
}

static void enqueue(slot_table *t, slot *s)
{
    s->state = SLOT_QUEUED;
    s->due_queued = s->unfinished && !s->cancel;
    if (s->due_queued) {
        TAILQ_INSERT_TAIL(&t->due, s, in_queue);
        t->due_count++;
    } else {
        TAILQ_INSERT_TAIL(&t->asked, s, in_queue);
    }
}

static void leave_due(slot_table *t, slot *s)
{
    assert(s->due_queued && t->due_count > 0);
    TAILQ_REMOVE(&t->due, s, in_queue);
    s->due_queued = false;
    t->due_count--;
}

void slot_wake(sw_loop *l, slot *s)
{
    slot_table *t = &l->slots;
    assert(!s->run);
    assert(s->state != SLOT_RUNNING);
    if (s->state == SLOT_LOADING) return;
    if (s->state == SLOT_QUEUED) {
        if (!s->due_queued || !s->cancel) return;
        leave_due(t, s); /* no handler is called to end it: nobody has to make room */
    }
    timers_stop(&l->timers, &s->due);
    enqueue(t, s);
}

/* While the gate is closed a run could not go on: loading it would only repeat its next step. What may have ended is
 * loaded all the same, since its clients want to read. */
static bool hold(sw_loop *l, slot *s)
{
    if (!s->unfinished || gate_writable(l)) return false;
    s->state = SLOT_QUEUED;
    TAILQ_INSERT_TAIL(&l->slots.held, s, in_queue);
    return true;
}

void slot_release_held(sw_loop *l)
{
    for (slot *s; (s = TAILQ_FIRST(&l->slots.held));) {
        TAILQ_REMOVE(&l->slots.held, s, in_queue);
        enqueue(&l->slots, s);
    }
}

/* ---- Clients ---- */

/* A slot for a run that may not be in memory; NULL: no memory. */
static slot *slot_for(sw_loop *l, const run_id *id)
{
    slot *s = slot_find(&l->slots, id);
    if (!s) s = run_list(l, id);
    if (s) return s;
    s = slot_add(l, id);
    if (s) s->state = SLOT_UNKNOWN;
    return s;
}

void slot_attach(sw_loop *l, http_exchange *x, const run_id *id, const waiter_wish *wish)
{
    slot *s = slot_for(l, id);
    if (!s) {
        if (wish->begun)
            http_reply_abort(x);
        else
            waiter_problem(x, 503, "out of memory", "5");
        return;
    }
    if (s->run) {
        waiter_attach(l, &s->run->waiters, wish, x, id);
        run_touch(s->run);
        return;
    }
    waiter_attach(l, &s->waiters, wish, x, id);
    if (l->draining) { /* nothing is loaded any more: the next process has it */
        waiter_dismiss(&s->waiters);
        if (s->state == SLOT_UNKNOWN) slot_remove(l, s);
    } else if (s->state == SLOT_UNKNOWN || wish->kind == WAITER_STREAM) {
        slot_wake(l, s);
    } else {
        if (s->state == SLOT_PARKED || !gate_writable(l)) waiter_redirect(&s->waiters); /* else it is about to go on */
        waiter_accept(&s->waiters);
    }
}

void slot_cancel(sw_loop *l, http_exchange *x, const run_id *id)
{
    if (!gate_writable(l)) {
        waiter_problem(x, 503, "the journal cannot be written: the run was not cancelled", "5");
        return;
    }
    const waiter_wish wish = {.kind = WAITER_CANCEL};
    slot *s = slot_for(l, id);
    if (!s) {
        waiter_problem(x, 503, "out of memory", "5");
        return;
    }
    if (s->run) {
        waiter_attach(l, &s->run->waiters, &wish, x, id);
        run_cancel(s->run, ENTRY_CANCEL_ASKED);
        run_touch(s->run);
        return;
    }
    waiter_attach(l, &s->waiters, &wish, x, id);
    s->cancel = ENTRY_CANCEL_ASKED;
    slot_wake(l, s);
}

void slot_client_gone(sw_loop *l, const run_id *id)
{
    slot *s = slot_find(&l->slots, id);
    if (!s) return;
    if (s->run) {
        run_client_gone(s->run);
    } else if (s->tie == TIE_CLIENTS && waiter_none(s->waiters) && !l->draining) {
        s->cancel = ENTRY_CANCEL_GONE;
        slot_wake(l, s);
    }
}

void slot_client_sent_on(sw_loop *l, const run_id *id)
{
    slot *s = slot_find(&l->slots, id);
    if (s) s->tie = TIE_NONE;
}

/* Kept connections have been handed on before any run is loaded; the rest of the time is for loops that are busy. */
static bool clients_are_back(const sw_loop *l) { return !l->slots.orphans.place; }

void slot_judge_tie(sw_loop *l, slot *s, bool cancels, bool sent_on)
{
    if (s->tie != TIE_UNKNOWN) return;
    bool alone = waiter_none(s->waiters);
    s->tie = cancels && !(alone && sent_on) ? TIE_CLIENTS : TIE_NONE;
    if (s->tie == TIE_CLIENTS && alone && clients_are_back(l)) s->cancel = ENTRY_CANCEL_GONE;
}

/* The connections of these runs' clients have ended with the process that died, and nobody was sent on. */
static void on_clients_back(struct timer *t)
{
    sw_loop *l = t->arg;
    for (size_t i = 0; i < l->slots.bucket_count; i++)
        for (slot *s = l->slots.buckets[i]; s; s = s->next)
            if (s->tie == TIE_CLIENTS) slot_client_gone(l, &s->id);
}

/* ---- Loading ---- */

static void answer_ended(sw_loop *l, slot *s, const store_journal *j)
{
    const char *error = NULL;
    waiter_answer_journal(l, &s->waiters, &s->id, j->data, j->len, &error);
    if (error) waiter_refuse(&s->waiters, 500, error);
    slot_remove(l, s);
}

/* Places of --runs-max that nobody has or is about to have. */
static size_t free_places(const sw_loop *l)
{
    size_t most = (size_t)l->app->opt.runs_max, taken = l->runs + l->slots.places;
    return taken < most ? most - taken : 0;
}

bool slot_room(const sw_loop *l)
{
    size_t share = (size_t)l->app->opt.runs_max / 4;
    if (share == 0) share = 1;
    if (share > l->slots.due_count) share = l->slots.due_count;
    return free_places(l) > share;
}

/* Its journal is damaged, or the disk fails for a while: its clients may ask again, and it stays as it is. */
static void unreadable(sw_loop *l, slot *s, const char *id, const char *error)
{
    log_line(LOG_ERROR, id, "cannot be loaded: %s", error);
    waiter_refuse(&s->waiters, 503, error);
    if (s->unfinished)
        slot_park(l, s, loop_now_ms() + RETRY_MS);
    else
        slot_remove(l, s);
}

static void loaded(sw_loop *l, const store_journal *j)
{
    slot *s = slot_find(&l->slots, &j->run);
    if (!s || s->state != SLOT_LOADING) return;
    if (s->has_place) l->slots.places--;
    bool room = s->has_place || s->cancel || free_places(l) > 0;
    s->has_place = false;
    char text[RUN_ID_TEXT + 1];
    run_id_format(&j->run, text);
    if (j->error) {
        unreadable(l, s, text, j->error);
        return;
    }
    if (!j->found) {
        waiter_refuse(&s->waiters, 404, "no such run");
        slot_remove(l, s);
        return;
    }
    if (!j->live) {
        answer_ended(l, s, j);
        return;
    }
    s->unfinished = true;
    if (hold(l, s)) return;
    if (!room) {
        enqueue(&l->slots, s);
        return;
    }
    const char *error = run_resume(l, s, j->data, j->len);
    if (!error) return;
    log_line(LOG_ERROR, text, "cannot be resumed and stays in the journal: %s", error);
    s->state = SLOT_PARKED; /* without a timer: the next start tries again */
}

static void on_loaded(void *arg, store_journal *journals, size_t count)
{
    sw_loop *l = arg;
    l->slots.loading -= count;
    for (size_t i = 0; i < count; i++) {
        slot *s = slot_find(&l->slots, &journals[i].run);
        if (!l->draining || !s || s->state != SLOT_LOADING) {
            loaded(l, &journals[i]);
            continue;
        }
        if (s->has_place) l->slots.places--;
        s->has_place = false;
        s->state = SLOT_PARKED;
    }
}

/* The next one to load; NULL: none, or no place for it. */
static slot *next_to_load(sw_loop *l)
{
    slot_table *t = &l->slots;
    slot *s = TAILQ_FIRST(&t->asked);
    if (s) {
        TAILQ_REMOVE(&t->asked, s, in_queue);
    } else if ((s = TAILQ_FIRST(&t->due)) && (free_places(l) > 0 || !gate_writable(l))) {
        leave_due(t, s);
    } else {
        return NULL;
    }
    return s;
}

static size_t take_batch(sw_loop *l, run_id ids[LOAD_BATCH])
{
    slot_table *t = &l->slots;
    size_t n = 0;
    for (slot *s; n < LOAD_BATCH && t->loading + n < LOADING_MAX && (s = next_to_load(l));) {
        if (hold(l, s)) continue;
        s->has_place = s->unfinished && !s->cancel;
        if (s->has_place) t->places++;
        s->state = SLOT_LOADING;
        ids[n++] = s->id;
    }
    return n;
}

void slot_load_due(sw_loop *l)
{
    run_id ids[LOAD_BATCH];
    for (size_t n; !l->draining && (n = take_batch(l, ids)) > 0;) {
        l->slots.loading += n;
        store_load(l->port, ids, n, on_loaded, l);
    }
}

/* ---- Recovery ---- */

static void on_rows(void *arg, const store_live_row *rows, size_t count, bool end, const char *error)
{
    sw_loop *l = arg;
    if (error) {
        log_line(LOG_ERROR, NULL, "the unfinished runs cannot be read: %s", error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (slot_find(&l->slots, &rows[i].run)) continue;
        slot *s = slot_add(l, &rows[i].run);
        if (!s) {
            log_line(LOG_ERROR, NULL, "out of memory: unfinished runs wait for the next start");
            break;
        }
        slot_park(l, s, rows[i].due_ms);
    }
    if (end || l->draining) {
        l->recovered = true;
        if (l->slots.count) log_line(LOG_INFO, NULL, "loop %u resumes %zu unfinished runs", l->index, l->slots.count);
    } else {
        store_scan_live(l->port, &rows[count - 1].run, SCAN_ROWS, l->index, l->count, on_rows, l);
    }
}

void slot_recover(sw_loop *l)
{
    l->slots.orphans = (struct timer){.fn = on_clients_back, .arg = l};
    (void)timers_start(&l->timers, &l->slots.orphans, (uint64_t)l->app->opt.redirect_after_ms);
    store_scan_live(l->port, NULL, SCAN_ROWS, l->index, l->count, on_rows, l);
}
