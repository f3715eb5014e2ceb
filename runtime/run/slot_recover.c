/* slot_recover: makes the slots of a home's unfinished runs when its loop begins: reads the letters, so that no run
 * goes on that somebody has cancelled, then the live table. A read that fails is tried again, with growing pauses. */
#include <assert.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/moment.h"
#include "runtime/run/comeback.h"
#include "runtime/run/former_requests.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/suspects.h"

enum {
    SCAN_ROWS = 4096,
    SCAN_BYTES = 4 * 1024 * 1024, /* of letters at once: each may have the result of a call */
    SCAN_FIRST_MS = 100, /* the pause before a failed scan is tried again doubles from the first to the longest */
    SCAN_MOST_MS = 10000
};

static void recover_scan(home *h);

void slot_recover_no_more(home *h)
{
    slot_table *t = &h->slots;
    if (!timer_is_started(&t->scan)) return;
    timers_stop(&h->timers, &t->scan);
    t->recovered = true;
}

static void recover_on_retry_due(struct timer *t) { recover_scan(t->arg); }

/* Scans again after a pause: else the runs of these rows would wait for the next start. */
static void recover_retry_later(home *h, const char *why)
{
    slot_table *t = &h->slots;
    assert(why);
    assert(!t->recovered && !timer_is_started(&t->scan));
    if (h->draining) {
        t->recovered = true;
        return;
    }
    int64_t pause = (int64_t)SCAN_FIRST_MS << t->scan_tries;
    if (pause < SCAN_MOST_MS)
        t->scan_tries++;
    else
        pause = SCAN_MOST_MS;
    log_line(LOG_ERROR, NULL, "unfinished runs cannot be read yet, which is tried again in %lld ms: %s",
             (long long)pause, why);
    t->scan = (struct timer){.fn = recover_on_retry_due, .arg = h, .has_reserve = true};
    (void)timers_start(&h->timers, &t->scan, (uint64_t)pause);
}

/* When the run of a row has to be looked at again. Which clock ends its wait, and how long that is, only its journal
 * says: the first of both clocks counts, and if the wall clock has gone back since the journal was written, now. */
static clock_alarm recover_row_due(const home *h, int64_t due_ms)
{
    if (due_ms >= STORE_DUE_NEVER) return clock_alarm_none();
    if (due_ms == 0 || store_clock_is_back(h->store)) return clock_alarm_in(0);
    clock_alarm due = clock_alarm_in(moment_of(due_ms) - clock_wall_ms());
    due.wall_ms = moment_of(due_ms);
    return due;
}

/* For which signals the run waits only its journal says: the next one has it loaded, and so do those that are there. */
static void recover_park(home *h, slot *s, const store_live_row *row)
{
    bool has_mail = mailbox_has_any(h, &row->run);
    slot_park(h, s, has_mail ? clock_alarm_in(0) : recover_row_due(h, row->due_ms));
    if (s->state == SLOT_PARKED) s->names[0] = SLOT_NAMES_ANY;
}

/* False: no memory. A slot that a client's request or a letter has made stays as it is; should its journal be
 * unreadable just now, it must not be taken for a run that is not there. */
static bool recover_row(home *h, const store_live_row *row)
{
    static const stop_cause not_resumed = {.reason = STOP_NOT_RESUMED};
    assert(run_id_loop(&row->run, h->count) == h->index);
    slot *s = slot_find(&h->slots, &row->run);
    if (s) s->is_recovered = true;
    if (s || run_find_slotless(h, &row->run)) return true;
    s = slot_add(h, &row->run);
    if (s && h->opt->no_resume) {
        s->not_resumed = true;
        slot_stop(h, s, &not_resumed);
    } else if (s) {
        recover_park(h, s, row);
    }
    return s != NULL;
}

static void recover_finish(home *h, bool all_found)
{
    assert(!h->slots.recovered);
    assert(h->slots.letters_read || h->draining);
    if (!h->draining && h->suspects && !suspects_drop_strays(h)) {
        recover_retry_later(h, store_no_memory);
        return;
    }
    h->slots.recovered = true;
    h->slots.all_found = all_found;
    if (all_found) former_requests_settle(h);
    if (all_found) mailbox_drop_strays(h);
    if (h->draining) return;
    if (h->slots.count == 0) return;
    log_line(LOG_INFO, NULL, "loop %u %s %zu unfinished runs", h->index,
             h->opt->no_resume ? "does not resume (--no-resume)" : "resumes", (size_t)h->slots.count);
}

static void recover_on_rows(void *arg, const store_live_row *rows, size_t count, bool end, const char *error)
{
    home *h = arg;
    slot_table *t = &h->slots;
    for (size_t i = 0; i < count && !error; i++) {
        if (!recover_row(h, &rows[i])) {
            error = "out of memory";
            break;
        }
        t->scanned = rows[i].run;
        t->scanning = true;
        t->scan_tries = 0;
    }
    if (error)
        recover_retry_later(h, error);
    else if (end || h->draining)
        recover_finish(h, end);
    else
        recover_scan(h);
}

/* Takes a letter that a former process left. Whatever it says of the run, loading the run shows whether there is
 * something to do. False: no memory. */
static bool recover_letter(home *h, const store_table_row *row)
{
    bool is_short = false;
    if (mail_is(row->value)) return mailbox_recover(h, row);
    letter *m = letter_read(h, row, &is_short);
    if (!m) return !is_short; /* one of a kind to come is left for a later version */
    if (run_id_loop(&m->run, h->count) != h->index || !home_owns(h, &m->run)) {
        letter_free_all(&m);
        return true;
    }
    slot *s = slot_find(&h->slots, &m->run);
    if (!s && (s = slot_add(h, &m->run))) slot_post(h, s, SLOT_ON_ASKED_FOR);
    if (!s) {
        letter_free_all(&m);
        return false;
    }
    /* A former process has had the run's caller go on: like that one it stands still until somebody releases it. */
    if (m->kind == LETTER_REOPEN && h->opt->no_resume) s->not_resumed = true;
    slot_take_letter(h, m, NULL);
    return true;
}

static void recover_on_letters(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    home *h = arg;
    slot_table *t = &h->slots;
    for (size_t i = 0; i < count && !error; i++) {
        if (!recover_letter(h, &rows[i])) {
            error = "out of memory";
            break;
        }
        row_cursor_pass(&t->letters_at, rows[i].key);
    }
    t->letters_read = end && !error;
    if (error)
        recover_retry_later(h, error);
    else if (h->draining)
        recover_finish(h, false);
    else
        recover_scan(h);
}

static void recover_scan_letters(home *h)
{
    const store_range range = {.table = letter_table,
                               .from = row_cursor_from(&h->slots.letters_at),
                               .rows_max = SCAN_ROWS,
                               .bytes_max = SCAN_BYTES};
    if (!store_scan(h->port, &range, recover_on_letters, h)) recover_retry_later(h, store_no_memory);
}

static void recover_scan(home *h)
{
    slot_table *t = &h->slots;
    assert(!t->recovered);
    if (!t->letters_read) {
        recover_scan_letters(h);
        return;
    }
    const run_id *after = t->scanning ? &t->scanned : NULL;
    const store_live_range range = {after, SCAN_ROWS, h->index, h->count, h->cluster};
    if (!store_scan_live(h->port, &range, recover_on_rows, h)) recover_retry_later(h, store_no_memory);
}

void slot_recover(home *h)
{
    assert(h->port && !h->slots.letters_read && !h->slots.scanning); /* called once */
    if (h->suspects) suspects_join(h);
    if (h->comeback) comeback_join(h);
    recover_scan(h);
}
