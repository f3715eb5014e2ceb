/* restore: a data folder from a backup. Runs that were under way when the backup was made have since done, or undone,
 * what nobody here knows: so each of them is stopped in the new folder, before any program starts on it, and goes on
 * when an operator releases it. Its schedules are paused. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/copying.h"
#include "cli/offline.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/clock.h"
#include "runtime/flow/schedule_row.h"
#include "runtime/run/letter.h"
#include "storage/entry_order.h"
#include "storage/folder.h"
#include "storage/rocks/rocks.h"
#include "storage/row_cursor.h"

enum { ROWS = 256, PAGE_SCHEDULES = 16, REASON_COLUMNS = 400 };

typedef struct restoring {
    cli *c;
    backend *b;
    const char *reason;
    long long stopped, stood, unreadable, paused;
} restoring;

/* Appends *stopped* to the run's journal. */
static cli_end stop_run(restoring *r, const run_id *id, uint32_t entries)
{
    char error[BACKEND_ERROR_MAX] = "";
    msgpack_sbuffer bytes;
    const entry stopped = {.kind = ENTRY_STOPPED,
                           .at_ms = clock_wall_ms(),
                           .status = ENTRY_STOP_OPERATOR,
                           .error = entry_text_of(r->reason),
                           .epoch = entry_epoch(r->b->ops->epoch(r->b), 0)};
    msgpack_sbuffer_init(&bytes);
    cli_must(entry_encode(&bytes, &stopped) == 0 ? &bytes : NULL);
    store_segment s = {.run = *id,
                       .seq = entries,
                       .live = STORE_LIVE_SET,
                       .has_live_row = true,
                       .due_ms = STORE_DUE_STOPPED,
                       .retain_ms = -1,
                       .data = bytes.data,
                       .len = bytes.size};
    store_outcome outcome = r->b->ops->commit(r->b, &s, stopped.at_ms, error, sizeof error);
    msgpack_sbuffer_destroy(&bytes);
    r->stopped += outcome == STORE_DONE;
    return outcome == STORE_DONE ? CLI_DONE : cli_fail(CLI_REFUSED, "a run cannot be stopped: %s", error);
}

static cli_end stop_row(restoring *r, const store_live_row *row)
{
    store_journal j = {.run = row->run};
    entry_order order = {.count = 0};
    if (row->due_ms == STORE_DUE_STOPPED) {
        r->stood++;
        return CLI_DONE;
    }
    r->b->ops->load(r->b, &j, 0);
    bool is_readable = !j.error && !entry_order_read(&order, j.data, j.len) && order.count > 0;
    r->unreadable += !is_readable; /* the program stops it for that */
    cli_end end = is_readable && !order.has_ended ? stop_run(r, &row->run, order.count) : CLI_DONE;
    free(j.data);
    if (r->stopped % ROWS == 0 && isatty(STDERR_FILENO)) fprintf(stderr, "\r%lld runs stopped \033[K", r->stopped);
    return end;
}

static cli_end stop_all(restoring *r)
{
    static store_live_row rows[ROWS];
    const char *error = NULL;
    run_id after = {{0}};
    bool is_end = false;
    for (bool first = true; !is_end; first = false) {
        const store_live_range range = {.after = first ? NULL : &after, .rows_max = ROWS, .loops = 1};
        long n = r->b->ops->scan_live(r->b, &range, rows, &is_end, &error);
        if (n < 0) return cli_fail(CLI_REFUSED, "the live runs cannot be read: %s", error);
        for (long i = 0; i < n; i++) {
            if (copying_is_cut()) return cli_fail(CLI_REFUSED, "a signal ended the restore: nothing was made");
            cli_end end = stop_row(r, &rows[i]);
            if (end != CLI_DONE) return end;
        }
        if (n == 0) break;
        after = rows[n - 1].run;
    }
    return CLI_DONE;
}

/* ---- Letters ---- */

/* A page of the inbox. */
typedef struct letters {
    uint8_t keys[ROWS][LETTER_KEY_BYTES]; /* of releases */
    size_t count;
    row_cursor at; /* the next page */
} letters;

static void letters_take(void *arg, store_bytes key, store_bytes value)
{
    letters *l = arg;
    assert(l->count < ROWS);
    row_cursor_pass(&l->at, key);
    if (key.len == LETTER_KEY_BYTES && letter_kind_of(value) == LETTER_RELEASE)
        memcpy(l->keys[l->count++], key.data, LETTER_KEY_BYTES);
}

static cli_end letters_delete(const restoring *r, const letters *l)
{
    static store_row rows[ROWS];
    char error[BACKEND_ERROR_MAX] = "";
    store_segment s = {.live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = rows};
    if (l->count == 0) return CLI_DONE;
    for (size_t i = 0; i < l->count; i++)
        rows[i] = (store_row){.next = i + 1 < l->count ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_DELETE,
                              .table = letter_table,
                              .key = {l->keys[i], LETTER_KEY_BYTES}};
    memcpy(s.run.bytes, l->keys[0], RUN_ID_BYTES);
    if (r->b->ops->commit(r->b, &s, clock_wall_ms(), error, sizeof error) == STORE_DONE) return CLI_DONE;
    return cli_fail(CLI_REFUSED, "a letter cannot be deleted: %s", error);
}

/* Deletes the releases that were on their way when the backup was made: the next start would obey them, and let a run
 * go on that was stopped here, or stood already. */
static cli_end drop_releases(const restoring *r)
{
    static letters l;
    const char *error = "";
    backend_scan result = BACKEND_SCAN_MORE;
    while (result == BACKEND_SCAN_MORE) {
        const store_range range = {.table = letter_table, .from = row_cursor_from(&l.at), .rows_max = ROWS};
        l.count = 0;
        result = r->b->ops->scan(r->b, &range, letters_take, &l, &error);
        if (result == BACKEND_SCAN_FAILED) return cli_fail(CLI_REFUSED, "the letters cannot be read: %s", error);
        cli_end end = letters_delete(r, &l);
        if (end != CLI_DONE) return end;
    }
    return CLI_DONE;
}

/* ---- Schedules ---- */

/* A page of them. */
typedef struct schedule_page {
    char names[PAGE_SCHEDULES][STORE_ROW_KEY_MAX];
    size_t lens[PAGE_SCHEDULES];
    schedule_row rows[PAGE_SCHEDULES];
    size_t count;
    row_cursor at; /* the next page */
    bool is_short;
} schedule_page;

static void schedules_take(void *arg, store_bytes key, store_bytes value)
{
    schedule_page *p = arg;
    bool is_short = false;
    assert(p->count < PAGE_SCHEDULES);
    row_cursor_pass(&p->at, key);
    if (key.len <= STORE_ROW_KEY_MAX && schedule_row_read(value, &p->rows[p->count], &is_short)) {
        memcpy(p->names[p->count], key.data, key.len);
        p->lens[p->count++] = key.len;
    }
    p->is_short = p->is_short || is_short; /* one that is damaged begins anew in the program */
}

static cli_end schedules_put(restoring *r, const schedule_page *p)
{
    static store_row rows[PAGE_SCHEDULES];
    msgpack_sbuffer values[PAGE_SCHEDULES];
    char error[BACKEND_ERROR_MAX] = "";
    const int64_t now_ms = clock_wall_ms();
    store_segment s = {.live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = rows};
    if (p->count == 0) return CLI_DONE;
    for (size_t i = 0; i < p->count; i++) {
        schedule_row row = p->rows[i];
        row.is_paused = true;
        row.waits_ms = 0;
        row.at_ms = now_ms;
        (void)snprintf(row.by, sizeof row.by, "restore");
        msgpack_sbuffer_init(&values[i]);
        cli_must(schedule_row_pack(&row, &values[i]) ? &row : NULL);
        rows[i] = (store_row){.next = i + 1 < p->count ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_PUT,
                              .table = SCHEDULES_TABLE,
                              .key = {p->names[i], p->lens[i]},
                              .value = {values[i].data, values[i].size}};
    }
    store_outcome outcome = r->b->ops->commit(r->b, &s, now_ms, error, sizeof error);
    for (size_t i = 0; i < p->count; i++) msgpack_sbuffer_destroy(&values[i]);
    r->paused += (long long)p->count;
    return outcome == STORE_DONE ? CLI_DONE : cli_fail(CLI_REFUSED, "a schedule cannot be paused: %s", error);
}

/* Pauses all schedules: what they began after the backup was made, nobody knows here. */
static cli_end pause_schedules(restoring *r)
{
    static schedule_page p;
    const char *error = "";
    backend_scan result = BACKEND_SCAN_MORE;
    while (result == BACKEND_SCAN_MORE) {
        const store_range range = {
            .table = SCHEDULES_TABLE, .from = row_cursor_from(&p.at), .rows_max = PAGE_SCHEDULES};
        p.count = 0;
        result = r->b->ops->scan(r->b, &range, schedules_take, &p, &error);
        if (result == BACKEND_SCAN_FAILED) return cli_fail(CLI_REFUSED, "the schedules cannot be read: %s", error);
        cli_must(p.is_short ? NULL : &p);
        cli_end end = schedules_put(r, &p);
        if (end != CLI_DONE) return end;
    }
    return CLI_DONE;
}

/* ---- The command ---- */

/* Opens the copy for writing, which checks it for damage, and stops its live runs. */
static cli_end restore_stop(restoring *r, const char *folder)
{
    char error[BACKEND_ERROR_MAX], path[FOLDER_PATH_MAX];
    r->b = rocks_open(folder, false, error, sizeof error);
    if (!r->b) return cli_fail(CLI_REFUSED, "%s", error);
    cli_end end = r->b->ops->is_read_only(r->b) ? cli_fail(CLI_REFUSED, "the disk is full") : stop_all(r);
    if (end == CLI_DONE) end = drop_releases(r);
    if (end == CLI_DONE) end = pause_schedules(r);
    r->b->ops->close(r->b);
    (void)snprintf(path, sizeof path, "%s/pid", folder);
    (void)unlink(path); /* of this command */
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    return end;
}

static void restore_print(const restoring *r, const copying *k)
{
    cli *c = r->c;
    if (cli_has(c, OPTION_JSON)) {
        printf(
            "{\"bytes\":%llu,\"stopped\":%lld,\"stoppedBefore\":%lld,\"unreadable\":%lld,\"schedulesPaused\":%lld}\n",
            k->bytes, r->stopped, r->stood, r->unreadable, r->paused);
        return;
    }
    printf("%s: %s, %lld runs stopped", k->to, view_bytes(c, k->bytes), r->stopped);
    if (r->stood > 0) printf(", %lld were before", r->stood);
    if (r->unreadable > 0) printf(", %lld cannot be read", r->unreadable);
    if (r->paused > 0) printf(", %lld schedules paused", r->paused);
    puts(r->stopped > 0 ? "\nStart the program, look at them (stepwell runs list --state stopped), and release them "
                          "(stepwell runs release RUN, stepwell bulk release)"
                        : "");
    if (r->paused > 0) puts("Schedules begin runs again when they are resumed (stepwell schedules resume NAME)");
}

cli_end restore_copy(cli *c)
{
    copying k;
    const char *from = c->words[0];
    restoring r = {.c = c,
                   .reason = cli_text(c, "restored from the backup %s: what came behind it is not known here",
                                      safe_text(c, from, strlen(from), REASON_COLUMNS))};
    if (cli_has(c, OPTION_DATA) || cli_has(c, OPTION_URL))
        return cli_fail(CLI_USAGE, "restore makes a folder: stepwell restore BACKUP DIR");
    cli_end end = copying_begin(&k, c, from, c->words[1]);
    if (end != CLI_DONE) return end;
    end = restore_stop(&r, k.partial);
    if (end != CLI_DONE) {
        copying_drop(&k);
        return end;
    }
    end = copying_finish(&k);
    if (end == CLI_DONE) restore_print(&r, &k);
    return end;
}
