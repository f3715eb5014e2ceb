/* ties_start: forgets runs that have ended, of the list that the former process left. */
#include <assert.h>

#include "runtime/base/log.h"
#include "runtime/recovery/settle.h"
#include "runtime/run/ties.h"

/* The live table beside the list: both are in the order of ids. */
typedef struct live_page {
    settling *store;
    run_id ids[SETTLE_LIVE_ROWS];
    size_t count, at;
    bool end;    /* nothing is behind the page */
    bool failed; /* the table cannot be read: then all runs of the list stay */
} live_page;

static void live_page_on_rows(void *arg, const store_live_row *rows, size_t count)
{
    live_page *p = arg;
    assert(count <= SETTLE_LIVE_ROWS);
    for (size_t i = 0; i < count; i++) p->ids[i] = rows[i].run;
    p->count = count;
}

/* The greatest id that is less than `id`. */
static run_id live_page_before(run_id id)
{
    size_t i = RUN_ID_BYTES;
    while (i > 0 && id.bytes[--i]-- == 0) continue;
    return id;
}

static bool live_page_has(void *arg, const run_id *id)
{
    live_page *p = arg;
    assert(p->at <= p->count);
    while (p->at < p->count && run_id_compare(&p->ids[p->at], id) < 0) p->at++;
    if (p->at == p->count && !p->end && !p->failed) {
        const run_id from = live_page_before(*id);
        p->at = p->count = 0;
        p->failed = !settle_scan_live(p->store, &from, live_page_on_rows, p, &p->end);
    }
    return p->failed || (p->at < p->count && run_id_equal(&p->ids[p->at], id));
}

void ties_forget_ended(ties *t, store *journals)
{
    if (!ties_has_runs(t)) return;
    static live_page page; /* large; used once at the start */
    page = (live_page){.store = settle_open(journals)};
    if (!page.store || !ties_filter(t, live_page_has, &page))
        log_line(LOG_WARN, NULL, "out of memory: runs that have ended stay in the data folder's file `end`");
    settle_close(page.store);
}
