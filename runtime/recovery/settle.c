#include "runtime/recovery/settle.h"

#include <assert.h>
#include <stdlib.h>

#include "storage/store_by_hand.h"

struct settling {
    uv_loop_t loop;
    store *journals;
    store_port *port;
    bool waiting;
    const char *error; /* of the read or write that was waited for */
    void (*on_journal)(void *arg, const store_journal *j);
    void (*on_rows)(void *arg, const store_table_row *rows, size_t count);
    void (*on_live)(void *arg, const store_live_row *rows, size_t count);
    bool *end;
    void *arg;
};

/* Does the work of a store that is turned by hand: it has no threads, and nobody else turns it yet. */
static void settle_turn_store(store *journals)
{
    if (store_hand_write_due_ms(journals) >= 0) store_hand_write(journals);
    while (store_hand_reads(journals) > 0) store_hand_read(journals, 0);
}

static void settle_wait(settling *s)
{
    assert(!s->waiting);
    s->waiting = true;
    s->error = NULL;
    bool by_hand = store_is_by_hand(s->journals);
    while (s->waiting) {
        if (by_hand) settle_turn_store(s->journals);
        (void)uv_run(&s->loop, by_hand ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
}

static void settle_on_committed(void *arg, store_segment *list)
{
    settling *s = arg;
    assert(list && !list->next);
    s->waiting = false;
    s->error = list->error;
}

/* Waiting keeps the main thread from all else, so a write that failed is given up: what it has left is looked for again
 * when the journal can be written. */
static void settle_on_change(void *arg)
{
    settling *s = arg;
    if (!store_takes_writes(s->journals)) store_port_give_up(s->port);
}

settling *settle_open(store *journals)
{
    settling *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->journals = journals;
    if (uv_loop_init(&s->loop) != 0) {
        free(s);
        return NULL;
    }
    s->port = store_port_open(journals, &s->loop, settle_on_committed, s);
    if (!s->port) {
        settle_close(s);
        return NULL;
    }
    store_port_on_change(s->port, settle_on_change);
    return s;
}

static void settle_on_closed(void *arg) { (void)arg; }

void settle_close(settling *s)
{
    if (!s) return;
    assert(!s->waiting);
    if (s->port) store_port_close(s->port, settle_on_closed, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&s->loop);
    assert(rc == 0);
    (void)rc;
    free(s);
}

static void settle_on_loaded(void *arg, store_journal *j, size_t count)
{
    settling *s = arg;
    assert(count == 1);
    (void)count;
    s->waiting = false;
    s->on_journal(s->arg, j);
}

void settle_load(settling *s, const run_id *id, void (*on_journal)(void *arg, const store_journal *j), void *arg)
{
    s->on_journal = on_journal;
    s->arg = arg;
    if (store_load(s->port, id, 1, settle_on_loaded, s))
        settle_wait(s);
    else
        on_journal(arg, &(store_journal){.run = *id, .error = store_no_memory});
}

const char *settle_append(settling *s, store_segment *segment)
{
    assert(!segment->next);
    assert(segment->len > 0 || segment->rows);
    store_append(s->port, segment);
    settle_wait(s);
    return s->error;
}

static void settle_on_scanned(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    settling *s = arg;
    assert(s->waiting);
    s->waiting = false;
    s->error = error;
    *s->end = end;
    if (!error) s->on_rows(s->arg, rows, count);
}

bool settle_scan(settling *s, const store_range *range,
                 void (*on_rows)(void *arg, const store_table_row *rows, size_t count), void *arg, bool *end)
{
    s->on_rows = on_rows;
    s->arg = arg;
    s->end = end;
    if (!store_scan(s->port, range, settle_on_scanned, s)) return false;
    settle_wait(s);
    return !s->error;
}

static void settle_on_scanned_live(void *arg, const store_live_row *rows, size_t count, bool end, const char *error)
{
    settling *s = arg;
    assert(s->waiting);
    s->waiting = false;
    s->error = error;
    *s->end = end;
    if (!error) s->on_live(s->arg, rows, count);
}

bool settle_scan_live(settling *s, const run_id *after,
                      void (*on_rows)(void *arg, const store_live_row *rows, size_t count), void *arg, bool *end)
{
    s->on_live = on_rows;
    s->arg = arg;
    s->end = end;
    const store_live_range range = {.after = after, .rows_max = SETTLE_LIVE_ROWS, .loops = 1};
    if (!store_scan_live(s->port, &range, settle_on_scanned_live, s)) return false;
    settle_wait(s);
    return !s->error;
}
