/* restore: a data folder from a backup. Runs that were under way when the backup was made have since done, or undone,
 * what nobody here knows: so each of them is stopped in the new folder, before any program starts on it, and goes on
 * when an operator releases it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/copying.h"
#include "cli/offline.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "storage/folder.h"
#include "storage/rocks/rocks.h"

enum { ROWS = 256, REASON_COLUMNS = 400 };

static const char partial_end[] = ".partial";

typedef struct restoring {
    cli *c;
    backend *b;
    const char *reason;
    long long stopped, stood, unreadable;
} restoring;

/* How many entries the journal has; 0: it cannot be read. *ended: it has its end. */
static uint32_t count_entries(const store_journal *j, bool *ended)
{
    const char *error = NULL;
    uint32_t count = 0;
    entry e;
    *ended = false;
    for (size_t at = 0, n; at < j->len; at += n, count++) {
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) return 0;
        *ended = e.kind == ENTRY_ENDED;
    }
    return count;
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Appends *stopped* to the run's journal. */
static cli_end stop_run(restoring *r, const run_id *id, uint32_t entries)
{
    char error[BACKEND_ERROR_MAX] = "";
    msgpack_sbuffer bytes;
    const entry stopped = {.kind = ENTRY_STOPPED,
                           .at_ms = now_ms(),
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
    bool ended;
    if (row->due_ms == STORE_DUE_STOPPED) {
        r->stood++;
        return CLI_DONE;
    }
    r->b->ops->load(r->b, &j, 0);
    uint32_t entries = j.error ? 0 : count_entries(&j, &ended);
    r->unreadable += entries == 0; /* the program stops it for that */
    cli_end end = entries > 0 && !ended ? stop_run(r, &row->run, entries) : CLI_DONE;
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
            cli_end end = stop_row(r, &rows[i]);
            if (end != CLI_DONE) return end;
        }
        if (n == 0) break;
        after = rows[n - 1].run;
    }
    return CLI_DONE;
}

/* Opens the copy for writing, which checks it for damage, and stops its live runs. */
static cli_end restore_stop(restoring *r, const char *folder)
{
    char error[BACKEND_ERROR_MAX], path[FOLDER_PATH_MAX];
    r->b = rocks_open(folder, false, error, sizeof error);
    if (!r->b) return cli_fail(CLI_REFUSED, "%s", error);
    cli_end end = r->b->ops->is_read_only(r->b) ? cli_fail(CLI_REFUSED, "the disk is full") : stop_all(r);
    r->b->ops->close(r->b);
    (void)snprintf(path, sizeof path, "%s/pid", folder);
    (void)unlink(path); /* of this command */
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    return end;
}

static cli_end restore_finish(const char *partial, const char *to)
{
    if (rename(partial, to) == 0 && folder_sync_parent(to)) return CLI_DONE;
    return cli_fail(CLI_REFUSED, "%s cannot become %s: %s", partial, to, strerror(errno));
}

static void restore_print(const restoring *r, const char *to, unsigned long long bytes)
{
    cli *c = r->c;
    if (cli_has(c, OPTION_JSON)) {
        printf("{\"bytes\":%llu,\"stopped\":%lld,\"stoppedBefore\":%lld,\"unreadable\":%lld}\n", bytes, r->stopped,
               r->stood, r->unreadable);
        return;
    }
    printf("%s: %s, %lld runs stopped", to, view_bytes(c, bytes), r->stopped);
    if (r->stood > 0) printf(", %lld were before", r->stood);
    if (r->unreadable > 0) printf(", %lld cannot be read", r->unreadable);
    puts(r->stopped > 0 ? "\nStart the program, look at them (stepwell runs list --state stopped), and release them "
                          "(stepwell runs release RUN, stepwell bulk release)"
                        : "");
}

cli_end restore_copy(cli *c)
{
    char error[BACKEND_ERROR_MAX];
    const char *from = c->words[0], *to = c->words[1];
    unsigned long long bytes;
    size_t len = strlen(to);
    while (len > 1 && to[len - 1] == '/') len--;
    const char *partial = cli_text(c, "%.*s%s", (int)len, to, partial_end);
    restoring r = {.c = c,
                   .reason = cli_text(c, "restored from the backup %s: what came behind it is not known here",
                                      safe_text(c, from, strlen(from), REASON_COLUMNS))};
    if (cli_has(c, OPTION_DATA) || cli_has(c, OPTION_URL))
        return cli_fail(CLI_USAGE, "restore makes a folder: stepwell restore BACKUP DIR");
    if (!folder_check(from, error, sizeof error)) return cli_fail(CLI_REFUSED, "%s", error);
    if (!copying_may_make(to)) return CLI_REFUSED;
    copying_remove(partial); /* of a restore that was cut short */
    cli_end end = copying_make(from, partial, &bytes);
    if (end != CLI_DONE) return end;
    end = restore_stop(&r, partial);
    if (end == CLI_DONE) end = restore_finish(partial, cli_bytes(c, to, len));
    if (end != CLI_DONE) copying_remove(partial);
    if (end == CLI_DONE) restore_print(&r, to, bytes);
    return end;
}
