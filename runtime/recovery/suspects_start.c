/* suspects_start: what a start knows of suspects: their rows, and whether one of them was the culprit. */
#include <assert.h>
#include <endian.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/recovery/settle.h"
#include "runtime/run/suspects_core.h"
#include "storage/entry.h"
#include "storage/row_cursor.h"
#include "storage/store.h"

enum { SCAN_ROWS = 4096, TEXT_BYTES = 512 };

static const char TABLE[] = "tries";

/* ---- Rows ---- */

/* Reads a row; false: it is none. A newer program may write longer rows, which begin as these do. */
static bool suspect_decode(suspect *to, const store_table_row *row)
{
    const uint8_t *value = row->value.data;
    if (row->key.len != RUN_ID_BYTES || row->value.len < TRIES_BYTES) return false;
    *to = (suspect){.waits = false};
    memcpy(to->run.bytes, row->key.data, RUN_ID_BYTES);
    memcpy(&to->tries, value, sizeof to->tries);
    memcpy(&to->epoch, value + 4, sizeof to->epoch);
    memcpy(&to->order, value + 12, sizeof to->order);
    to->tries = be32toh(to->tries);
    to->epoch = be64toh(to->epoch);
    to->order = be64toh(to->order);
    return true;
}

typedef struct reading {
    suspects *to;
    size_t room;
    row_cursor at;
    bool failed;
} reading;

static bool suspects_make_room(reading *r, size_t more)
{
    suspects *all = r->to;
    if (all->count + more <= r->room) return true;
    assert(all->count <= r->room);
    size_t room = r->room * 2 > all->count + more ? r->room * 2 : all->count + more;
    suspect *bigger = realloc(all->all, room * sizeof *bigger);
    if (!bigger) return false;
    all->all = bigger;
    r->room = room;
    return true;
}

static void suspects_on_rows(void *arg, const store_table_row *rows, size_t count)
{
    reading *r = arg;
    suspects *all = r->to;
    if (!suspects_make_room(r, count)) {
        r->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (suspect_decode(&all->all[all->count], &rows[i])) all->count++;
    }
    if (count > 0) row_cursor_pass(&r->at, rows[count - 1].key);
}

/* Reads all rows, in the order of their keys. */
static bool suspects_read_rows(suspects *all, settling *s)
{
    reading r = {.to = all};
    bool end = false;
    while (!end && !r.failed) {
        const store_range range = {.table = TABLE, .from = row_cursor_from(&r.at), .rows_max = SCAN_ROWS};
        if (!settle_scan(s, &range, suspects_on_rows, &r, &end)) return false;
    }
    return !r.failed;
}

/* ---- The culprit ---- */

/* Finds the only suspect that the process before had in memory; NULL: there was none, or there were several. */
static suspect *suspects_sole(const suspects *all)
{
    suspect *sole = NULL;
    for (size_t i = 0; i < all->count; i++) {
        suspect *k = &all->all[i];
        if (k->tries < SUSPECT_TRIES || k->epoch + 1 != all->epoch) continue;
        if (sole) return NULL;
        sole = k;
    }
    return sole;
}

typedef struct finding {
    bool goes_on; /* the run can be read and has not ended */
    bool stopped; /* the run stands still already */
    uint32_t entries;
} finding;

static void suspect_on_journal(void *arg, const store_journal *j)
{
    finding *f = arg;
    const char *error = j->error;
    bool has_ended = false;
    f->goes_on = !error && j->found && j->live;
    for (size_t at = 0, n; at < j->len && f->goes_on; at += n) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) {
            f->goes_on = false;
            return;
        }
        f->entries++;
        has_ended = e.kind == ENTRY_ENDED;
        if (e.kind == ENTRY_STOPPED) f->stopped = true;
        if (e.kind == ENTRY_RELEASED || e.kind == ENTRY_REOPENED) f->stopped = false;
    }
    f->goes_on = f->goes_on && !has_ended;
}

static bool suspect_encode_stop(msgpack_sbuffer *to, const suspect *k, uint64_t epoch, const char *how)
{
    char text[TEXT_BYTES];
    int len = snprintf(text, sizeof text,
                       "the server died %u times while this run was under way, the last time with this run alone under "
                       "suspicion: %s",
                       k->tries + 1, how);
    assert(len > 0 && (size_t)len < sizeof text);
    const entry stopped = {.kind = ENTRY_STOPPED,
                           .status = ENTRY_STOP_CRASHES,
                           .at_ms = clock_wall_ms(),
                           .epoch = entry_epoch(epoch, 0),
                           .error = {text, (size_t)len}};
    return entry_encode(to, &stopped) == 0;
}

/* Stops a suspect's run, and deletes its row in the same commit: a release gives the run all its tries again. NULL, or
 * why not. */
static const char *suspect_stop_run(settling *s, const suspect *k, uint64_t epoch, const char *how)
{
    finding f = {.goes_on = false};
    msgpack_sbuffer entries;
    const char *error = "it cannot be read, has ended, or is stopped already";
    settle_load(s, &k->run, suspect_on_journal, &f);
    if (!f.goes_on || f.stopped) return error;
    msgpack_sbuffer_init(&entries);
    const store_row row = {.op = STORE_ROW_DELETE, .table = TABLE, .key = {k->run.bytes, RUN_ID_BYTES}};
    if (suspect_encode_stop(&entries, k, epoch, how)) {
        store_segment segment = {.run = k->run,
                                 .seq = f.entries,
                                 .live = STORE_LIVE_SET,
                                 .due_ms = STORE_DUE_STOPPED,
                                 .retain_ms = -1,
                                 .data = entries.data,
                                 .len = entries.size,
                                 .rows = &row};
        error = settle_append(s, &segment);
    } else {
        error = "out of memory";
    }
    msgpack_sbuffer_destroy(&entries);
    return error;
}

/* Stops the culprit, if there is one. True: it is stopped, and the end is explained. */
static bool suspects_stop_culprit(suspects *all, settling *s, const char *how)
{
    char id[RUN_ID_TEXT + 1];
    suspect *k = suspects_sole(all);
    if (!k) return false;
    run_id_format(&k->run, id);
    log_line(LOG_ERROR, id, "the process before died while this run was the only suspect in memory: %s", how);
    const char *error = suspect_stop_run(s, k, all->epoch, how);
    if (error) {
        log_line(LOG_ERROR, id, "the suspect was not stopped: %s", error);
        return false;
    }
    size_t at = (size_t)(k - all->all);
    assert(at < all->count && !all->ranks); /* ranks point into what moves here */
    memmove(k, k + 1, (all->count - at - 1) * sizeof *k);
    all->count--;
    return true;
}

/* ---- All of them ---- */

/* Suspects that the former process loaded last come first, then the youngest runs: before they came all went well. */
static int suspect_by_likelihood(const void *a, const void *b)
{
    const suspect *x = *(const suspect *const *)a, *y = *(const suspect *const *)b;
    if (x->tries != y->tries) return x->tries > y->tries ? -1 : 1;
    if (x->tries >= SUSPECT_TRIES && x->order != y->order) return x->order > y->order ? -1 : 1;
    return run_id_compare(&y->run, &x->run);
}

/* Ranks the suspects. Rows of fewer tries than `least` count for nothing. False: no memory. */
static bool suspects_rank(suspects *all, uint32_t least)
{
    assert(!all->ranks);
    all->ranks = calloc(all->count ? all->count : 1, sizeof *all->ranks);
    if (!all->ranks) return false;
    for (size_t i = 0; i < all->count; i++) {
        suspect *k = &all->all[i];
        if (k->order > all->last_order) all->last_order = k->order;
        if (k->tries < least) k->tries = 0;
        all->ranks[i] = k;
    }
    qsort(all->ranks, all->count, sizeof *all->ranks, suspect_by_likelihood);
    for (size_t i = 0; i < all->count; i++) all->ranks[i]->rank = i;
    return true;
}

static size_t suspects_count(const suspects *all)
{
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) {
        uint32_t tries = all->all[i].tries;
        n += tries >= SUSPECT_TRIES || (all->unclean && tries + 1 >= SUSPECT_TRIES);
    }
    return n;
}

static void suspects_report(const suspects *all, const suspects_options *o)
{
    size_t n = suspects_count(all);
    if (all->unclean) log_line(LOG_WARN, NULL, "the process before ended, and nobody knows of which run: %s", o->how);
    if (n > 0) log_line(LOG_WARN, NULL, "%zu runs were under way at two such ends: they are loaded one at a time", n);
}

static bool suspects_settle(suspects *all, store *journals, const suspects_options *o)
{
    settling *s = settle_open(journals);
    bool ok = s && suspects_read_rows(all, s), may_stop = o->unclean && store_takes_writes(journals);
    bool found = ok && may_stop && suspects_stop_culprit(all, s, o->how);
    settle_close(s);
    /* All tries are forgotten when the end is explained, and each run's first when that was long ago. */
    uint32_t least = found ? UINT32_MAX : o->unclean && !o->again ? SUSPECT_TRIES : 0;
    if (found) all->unclean = false;
    return ok && suspects_rank(all, least);
}

suspects *suspects_start(store *journals, const suspects_options *o)
{
    assert(o->loops > 0 && o->loops <= SUSPECTS_LOOPS_MAX);
    assert(!o->unclean || o->how);
    suspects *all = calloc(1, sizeof *all);
    if (!all || uv_mutex_init(&all->lock) != 0) {
        log_line(LOG_ERROR, NULL, "out of memory: no run is suspected before the next start");
        free(all);
        return NULL;
    }
    all->unclean = o->unclean;
    all->began_ms = o->began_ms;
    all->solo_ms = o->lived_ms < SOLO_LEAST_MS  ? SOLO_LEAST_MS
                   : o->lived_ms > SOLO_MOST_MS ? SOLO_MOST_MS
                                                : o->lived_ms;
    all->epoch = store_epoch(journals);
    all->loops = o->loops;
    bool ok = suspects_settle(all, journals, o);
    if (!ok) log_line(LOG_ERROR, NULL, "the table %s cannot be read: no run is suspected before the next start", TABLE);
    if (ok && (all->count > 0 || all->unclean)) {
        suspects_report(all, o);
        return all;
    }
    suspects_free(all);
    return NULL;
}

void suspects_free(suspects *all)
{
    if (!all) return;
    uv_mutex_destroy(&all->lock);
    free(all->ranks);
    free(all->all);
    free(all);
}
