/* The table's other half: loading what is due or asked for, and finding it at the start. */
#include <assert.h>
#include <string.h>

#include "runtime/letter.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/moment.h"
#include "runtime/slot_core.h"
#include "runtime/waiter.h"

enum {
    LOAD_BATCH = 256,
    LOADING_MAX = 1024,
    SCAN_ROWS = 4096,
    SCAN_FIRST_MS = 100, /* pauses before what failed is tried again double from the first to the most */
    SCAN_MOST_MS = 10000,
    SHORT_FIRST_MS = 250,
    SHORT_MOST_MS = 16000,
    READ_FIRST_MS = 1000,
    READ_MOST_MS = 300000,
    LOOK_LEAST_MS = 1000,
    TENTH_MS = 100
};

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

/* ---- What does not go on ---- */

/* As far as this process knows. */
static int64_t stopped_ms(const slot *s) { return clock_steady_ms() - (int64_t)s->since_ds * TENTH_MS; }

/* Doubles with each load that came to nothing. */
static int64_t pause_ms(slot *s, int64_t first_ms, int64_t most_ms)
{
    int64_t pause = first_ms << s->tries;
    if (pause >= most_ms) return most_ms;
    s->tries++;
    return pause;
}

/* Nothing is wrong with the run: others that end make room for it. */
static void try_again(sw_loop *l, slot *s, const char *id, const char *text)
{
    if (s->tries == 0) log_line(LOG_WARN, id, "cannot be resumed yet, which is tried again: %s", text);
    slot_park(l, s, clock_alarm_in(pause_ms(s, SHORT_FIRST_MS, SHORT_MOST_MS)));
}

static void look_again(sw_loop *l, slot *s, const stop_cause *why)
{
    int64_t wait_ms = l->app->opt.retain_stopped_ms - stopped_ms(s);
    if (why->reason == STOP_NEWER || why->reason == STOP_NOT_RESUMED) return; /* another process will look */
    if (why->reason == STOP_UNREADABLE) wait_ms = pause_ms(s, READ_FIRST_MS, READ_MOST_MS);
    int64_t left_ms = why->deadline.due_ms > 0 ? clock_left_ms(&why->deadline) : CLOCK_NEVER;
    if (left_ms < wait_ms) wait_ms = left_ms;
    slot_look_at(l, s, wait_ms > LOOK_LEAST_MS ? wait_ms : LOOK_LEAST_MS);
}

/* Somebody who wants to end or release a run of which nothing can be read, or that still does not go on. */
static void deny(sw_loop *l, slot *s, const stop_cause *why)
{
    bool opaque = why->reason == STOP_UNREADABLE || why->reason == STOP_NEWER;
    if (s->release) slot_deny_release(l, s, stop_text(why->reason));
    if (!opaque || (s->writing & 1U << LETTER_CANCEL))
        return; /* whoever waits for a letter is told when it is written */
    if (letter_is_in(s->letters, LETTER_CANCEL)) {
        waiter_promise(&s->waiters, WAITER_CANCEL); /* it ends as soon as it can be read */
        return;
    }
    waiter_deny(&s->waiters, WAITER_CANCEL, 503, stop_text(why->reason));
    s->cancel = ENTRY_CANCEL_NONE;
}

static void stop(sw_loop *l, slot *s, const stop_cause *why)
{
    bool news = s->stop != why->reason;
    if (s->stop == STOP_NONE) counter_add(&l->slots.stopped, 1);
    s->state = SLOT_STOPPED;
    s->stop = why->reason;
    s->tie = TIE_NONE; /* whoever releases it wants it, also when its clients are gone */
    s->unfinished = true;
    if (news) {
        s->tries = 0;
        int64_t since_ms = clock_steady_ms();
        if (why->since_ms > 0 && why->since_ms < clock_wall_ms()) since_ms -= clock_wall_ms() - why->since_ms;
        s->since_ds = (uint32_t)((since_ms > 0 ? since_ms : 0) / TENTH_MS);
    }
    if (news && why->reason != STOP_NOT_RESUMED) {
        char id[RUN_ID_TEXT + 1];
        run_id_format(&s->id, id);
        log_line(LOG_ERROR, id, "stopped (%s): %s", stop_name(why->reason), why->text);
    }
    deny(l, s, why);
    waiter_stopped(&s->waiters, why->reason, NULL);
    look_again(l, s, why);
}

static void on_deleted(void *arg, const char *error)
{
    (void)arg;
    if (error) log_line(LOG_ERROR, NULL, "a run that cannot be read could not be deleted: %s", error);
}

static void cannot_read(sw_loop *l, slot *s, const char *id, const char *error)
{
    const stop_cause why = {.reason = STOP_UNREADABLE, .text = error};
    bool stale = s->stop == STOP_UNREADABLE && stopped_ms(s) >= l->app->opt.retain_stopped_ms;
    if (!stale) {
        stop(l, s, &why);
        return;
    }
    log_line(LOG_ERROR, id, "could not be read for as long as --retain-stopped says, and is deleted: %s", error);
    store_delete(l->port, &s->id, on_deleted, l);
    letter_drop(l, &s->letters);
    waiter_refuse(&s->waiters, 404, "the run could not be read, and was deleted (--retain-stopped)");
    slot_remove(l, s);
}

static void loaded_live(sw_loop *l, slot *s, const store_journal *j, bool room)
{
    char id[RUN_ID_TEXT + 1];
    stop_cause why;
    run_id_format(&s->id, id);
    s->unfinished = true;
    bool former = s->tie == TIE_UNKNOWN || s->tie == TIE_AWAITED;
    if (l->app->opt.no_resume && former && s->stop == STOP_NONE) { /* asked for before it was found */
        s->stop = STOP_NOT_RESUMED;
        counter_add(&l->slots.stopped, 1);
    }
    if (j->error || !j->found) {
        cannot_read(l, s, id, j->error ? j->error : "its entries are missing");
    } else if (slot_hold(l, s)) {
        return;
    } else if (!room && slot_wants_place(s)) {
        slot_enqueue(&l->slots, s);
    } else if (!run_resume(l, s, j, &why)) {
        if (why.reason == STOP_NONE)
            try_again(l, s, id, why.text);
        else
            stop(l, s, &why);
    }
}

static void loaded(sw_loop *l, const store_journal *j)
{
    slot *s = slot_find(&l->slots, &j->run);
    if (!s || s->state != SLOT_LOADING) return;
    if (s->has_place) l->slots.places--;
    bool room = s->has_place || free_places(l) > 0;
    s->has_place = false;
    if (!j->live && !j->error) letter_drop(l, &s->letters); /* it has ended, or been deleted */
    if (j->live || (j->error && s->unfinished)) {
        loaded_live(l, s, j, room);
    } else if (j->error) {
        waiter_refuse(&s->waiters, 503, j->error);
        slot_remove(l, s);
    } else if (!j->found) {
        waiter_refuse(&s->waiters, 404, "no such run");
        slot_remove(l, s);
    } else {
        answer_ended(l, s, j);
    }
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
        slot_leave_due(t, s);
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
        if (slot_hold(l, s)) continue;
        s->has_place = slot_wants_place(s);
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

static void scan(sw_loop *l);

static void on_scan_due(struct timer *t)
{
    sw_loop *l = t->arg;
    if (l->draining)
        l->recovered = true; /* whoever comes next reads the rest */
    else
        scan(l);
}

/* Without these rows their runs would wait for the next start. */
static void scan_again(sw_loop *l, const char *why)
{
    slot_table *t = &l->slots;
    int64_t pause = (int64_t)SCAN_FIRST_MS << t->scan_tries;
    if (pause < SCAN_MOST_MS)
        t->scan_tries++;
    else
        pause = SCAN_MOST_MS;
    log_line(LOG_ERROR, NULL, "unfinished runs cannot be read yet, which is tried again in %lld ms: %s",
             (long long)pause, why);
    t->scan = (struct timer){.fn = on_scan_due, .arg = l};
    if (l->draining || !timers_start(&l->timers, &t->scan, (uint64_t)pause)) on_scan_due(&t->scan);
}

/* When it has to be looked at again. Which clock ends its wait, and how long that is, only its journal says: the first
 * of both counts, and if the wall clock has gone back since the journal was written, that is looked at now. */
static clock_alarm due_of_row(const sw_loop *l, int64_t due_ms)
{
    if (due_ms == 0 || store_clock_is_back(l->app->store)) return clock_alarm_in(0);
    clock_alarm due = clock_alarm_in(moment_of(due_ms) - clock_wall_ms());
    due.wall_ms = moment_of(due_ms);
    return due;
}

/* False: no memory. */
static bool recover(sw_loop *l, const store_live_row *row)
{
    static const stop_cause held = {.reason = STOP_NOT_RESUMED};
    if (slot_find(&l->slots, &row->run)) return true;
    slot *s = slot_add(l, &row->run);
    if (s && l->app->opt.no_resume)
        stop(l, s, &held);
    else if (s)
        slot_park(l, s, due_of_row(l, row->due_ms));
    return s != NULL;
}

static void recovery_ended(sw_loop *l)
{
    l->recovered = true;
    if (l->slots.count == 0) return;
    log_line(LOG_INFO, NULL, "loop %u %s %zu unfinished runs", l->index,
             l->app->opt.no_resume ? "does not resume (--no-resume)" : "resumes", (size_t)l->slots.count);
}

static void on_rows(void *arg, const store_live_row *rows, size_t count, bool end, const char *error)
{
    sw_loop *l = arg;
    slot_table *t = &l->slots;
    for (size_t i = 0; i < count && !error; i++) {
        if (!recover(l, &rows[i])) {
            error = "out of memory";
            break;
        }
        t->scanned = rows[i].run;
        t->scanning = true;
        t->scan_tries = 0;
    }
    if (error)
        scan_again(l, error);
    else if (end || l->draining)
        recovery_ended(l);
    else
        scan(l);
}

/* Whatever it says of the run, loading it shows whether there is something to do. */
static bool read_letter(sw_loop *l, const store_table_row *row)
{
    letter *m = letter_read(l, row);
    if (!m) return true; /* of a kind to come, or out of memory: left for a later start */
    if (run_id_loop(&m->run, l->count) != l->index) {
        letter_free_all(&m);
        return true;
    }
    slot *s = slot_find(&l->slots, &m->run);
    if (!s && (s = slot_add(l, &m->run))) s->state = SLOT_UNKNOWN;
    if (!s) {
        letter_free_all(&m);
        return false;
    }
    slot_take_letter(l, m, NULL);
    return true;
}

static void on_letters(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    sw_loop *l = arg;
    slot_table *t = &l->slots;
    for (size_t i = 0; i < count && !error; i++) {
        if (!read_letter(l, &rows[i])) {
            error = "out of memory";
            break;
        }
        memcpy(t->letter_last, rows[i].key.data,
               rows[i].key.len < LETTER_KEY_BYTES ? rows[i].key.len : LETTER_KEY_BYTES);
    }
    t->letters_read = end && !error;
    if (error)
        scan_again(l, error);
    else if (l->draining)
        recovery_ended(l);
    else
        scan(l);
}

static void scan_letters(sw_loop *l)
{
    /* Behind the last one: its key and a zero byte. */
    const store_range range = {
        .table = "inbox", .from = {l->slots.letter_last, sizeof l->slots.letter_last}, .rows_max = SCAN_ROWS};
    store_scan(l->port, &range, on_letters, l);
}

static void scan(sw_loop *l)
{
    slot_table *t = &l->slots;
    if (!t->letters_read) {
        scan_letters(l);
        return;
    }
    store_scan_live(l->port, t->scanning ? &t->scanned : NULL, SCAN_ROWS, l->index, l->count, on_rows, l);
}

void slot_recover(sw_loop *l)
{
    slot_watch_orphans(l);
    scan(l);
}
