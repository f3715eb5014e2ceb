#include "runtime/run/board.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/log.h"
#include "runtime/run/program.h"
#include "runtime/run/reopen.h"
#include "runtime/run/slot_core.h"

const char board_table[] = STORE_MARKS_TABLE;

/* Times that a journal could not be read until the run counts as unreadable: its part of the disk is damaged, or it is
 * too large for the memory that there is. */
enum { READS_MAX = 10, PARCEL_AGAIN_MS = 100 };

typedef struct board_item {
    letter_receipt receipt; /* of its letter, while its home has it */
    board_batch *batch;
    run_id run;
    board_stage stage; /* under the board's lock */
    letter_fate fate;  /* BOARD_TOLD */
    unsigned reads;    /* BOARD_RESUME: in vain */
} board_item;

struct board_batch {
    board_batch *next, **link;
    board *board;
    run_id sender;
    int kind; /* letter_kind, BOARD_RESUME */
    char by[LETTER_BY_MAX + 1], text[LETTER_TEXT_MAX + 1];
    size_t count, room;
    size_t refs; /* under the lock: the sender's, and one for each letter that is sent and not told */
    board_item items[];
};

struct board {
    uv_mutex_t lock;
    board_batch *first;
    size_t waiting; /* atomic: items that wait for their home */
    home *homes[HOMES_MAX];
    parcel *parcels[HOMES_MAX]; /* for each home, the newest first */
    size_t parcel_count;        /* atomic: of all of them */
};

board *board_new(void)
{
    board *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    if (uv_mutex_init(&b->lock) == 0) return b;
    free(b);
    return NULL;
}

void board_free(board *b)
{
    if (!b) return;
    for (board_batch *t = b->first, *next; t; t = next) { /* their letters went with their homes */
        next = t->next;
        free(t);
    }
    for (unsigned i = 0; i < HOMES_MAX; i++)
        for (parcel *p; (p = b->parcels[i]);) {
            b->parcels[i] = p->next;
            p->drop(p);
        }
    uv_mutex_destroy(&b->lock);
    free(b);
}

void board_join(board *b, home *h)
{
    assert(h->index < HOMES_MAX && !b->homes[h->index]);
    uv_mutex_lock(&b->lock);
    b->homes[h->index] = h;
    uv_mutex_unlock(&b->lock);
}

static void board_mark(uint8_t to[LETTER_MARK_BYTES], const run_id *sender, const uint8_t *run)
{
    _Static_assert(LETTER_MARK_BYTES == 2 * RUN_ID_BYTES, "a mark's key is two ids");
    memcpy(to, sender->bytes, RUN_ID_BYTES);
    memcpy(to + RUN_ID_BYTES, run, RUN_ID_BYTES);
}

/* ---- Batches ---- */

board_batch *board_begin(board *b, const run_id *sender, const letter_wish *wish, size_t room)
{
    board_batch *t = calloc(1, sizeof *t + room * sizeof(board_item));
    if (!t) return NULL;
    t->board = b;
    t->sender = *sender;
    t->kind = (int)wish->kind;
    t->room = room;
    t->refs = 1;
    assert(wish->by && strlen(wish->by) <= LETTER_BY_MAX);
    assert(!wish->text || strlen(wish->text) <= LETTER_TEXT_MAX);
    strcpy(t->by, wish->by);
    if (wish->text) strcpy(t->text, wish->text);
    uv_mutex_lock(&b->lock);
    t->next = b->first;
    t->link = &b->first;
    if (t->next) t->next->link = &t->next;
    b->first = t;
    uv_mutex_unlock(&b->lock);
    return t;
}

/* Under lock. */
static void batch_unref(board_batch *t)
{
    assert(t->refs > 0);
    if (--t->refs > 0) return;
    *t->link = t->next;
    if (t->next) t->next->link = t->link;
    free(t);
}

void board_end(board_batch *t)
{
    board *b = t->board;
    uv_mutex_lock(&b->lock);
    for (size_t i = 0; i < t->count; i++) {
        board_item *item = &t->items[i];
        if (item->stage != BOARD_WAITS) continue;
        item->stage = BOARD_TOLD;
        item->fate = LETTER_UNWRITTEN;
        (void)__atomic_sub_fetch(&b->waiting, 1, __ATOMIC_RELAXED);
    }
    batch_unref(t);
    uv_mutex_unlock(&b->lock);
}

/* Lays the item out for its home. Under lock. Returns the home, to be woken. */
static home *item_lay_out(board_item *i)
{
    board *b = i->batch->board;
    i->stage = BOARD_WAITS;
    (void)__atomic_add_fetch(&b->waiting, 1, __ATOMIC_RELEASE);
    assert(b->homes[0]); /* all of them have joined before the first has turned */
    return b->homes[run_id_loop(&i->run, b->homes[0]->count)];
}

static void item_post(board_item *i)
{
    board *b = i->batch->board;
    uv_mutex_lock(&b->lock);
    home *h = item_lay_out(i);
    uv_mutex_unlock(&b->lock);
    h->wake(h);
}

size_t board_send(board_batch *t, const run_id *to)
{
    assert(t->count < t->room);
    size_t place = t->count;
    board_item *i = &t->items[place];
    uv_mutex_lock(&t->board->lock);
    *i = (board_item){.batch = t, .run = *to};
    t->count++;
    home *h = item_lay_out(i);
    uv_mutex_unlock(&t->board->lock);
    h->wake(h);
    return place;
}

void board_send_again(board_batch *t, size_t place)
{
    assert(place < t->count && t->items[place].stage == BOARD_TOLD);
    item_post(&t->items[place]);
}

board_stage board_stage_of(board_batch *t, size_t place, letter_fate *fate)
{
    assert(place < t->count);
    uv_mutex_lock(&t->board->lock);
    board_stage stage = t->items[place].stage;
    *fate = t->items[place].fate;
    uv_mutex_unlock(&t->board->lock);
    return stage;
}

/* ---- On the run's home ---- */

static board_item *item_of(letter_receipt *r) { return (board_item *)((char *)r - offsetof(board_item, receipt)); }

static void item_on_written(letter_receipt *r)
{
    board_item *i = item_of(r);
    board *b = i->batch->board;
    uv_mutex_lock(&b->lock);
    assert(i->stage == BOARD_TAKEN);
    i->stage = BOARD_WRITTEN;
    uv_mutex_unlock(&b->lock);
}

static void item_on_fate(letter_receipt *r, letter_fate fate)
{
    board_item *i = item_of(r);
    board *b = i->batch->board;
    uv_mutex_lock(&b->lock);
    assert(i->stage == BOARD_TAKEN || i->stage == BOARD_WRITTEN);
    i->stage = BOARD_TOLD;
    i->fate = fate;
    batch_unref(i->batch);
    uv_mutex_unlock(&b->lock);
}

/* Takes the next item that waits for the home; NULL: there is none. */
static board_item *board_take(board *b, const home *h)
{
    board_item *found = NULL;
    uv_mutex_lock(&b->lock);
    for (board_batch *t = b->first; t && !found; t = t->next)
        for (size_t i = 0; i < t->count && !found; i++)
            if (t->items[i].stage == BOARD_WAITS && run_id_loop(&t->items[i].run, h->count) == h->index)
                found = &t->items[i];
    if (found) {
        found->stage = BOARD_TAKEN;
        found->batch->refs++;
        (void)__atomic_sub_fetch(&b->waiting, 1, __ATOMIC_RELAXED);
    }
    uv_mutex_unlock(&b->lock);
    return found;
}

/* The letter's mark, and who is told. */
static void item_make_receipt(board_item *i)
{
    i->receipt = (letter_receipt){.on_written = item_on_written, .on_fate = item_on_fate, .table = board_table};
    board_mark(i->receipt.mark, &i->batch->sender, i->run.bytes);
}

static void item_log_unreadable(const board_item *i, const char *why)
{
    char id[RUN_ID_TEXT + 1];
    run_id_format(&i->run, id);
    log_line(LOG_WARN, id, "a bulk action passes the run over, which cannot be read: %s", why);
}

static letter_fate item_fate_of(board_item *i, reopen_reason reason)
{
    switch (reason) {
    case REOPEN_DONE:
        return LETTER_OBEYED;
    case REOPEN_TAKEN:
        return LETTER_TAKEN;
    case REOPEN_CHANGED:
    case REOPEN_MISSING:
        return LETTER_IN_VAIN;
    case REOPEN_UNFIT:
        return LETTER_REFUSED;
    case REOPEN_UNREADABLE:
        return LETTER_UNREADABLE;
    case REOPEN_UNREAD:
        return ++i->reads < READS_MAX ? LETTER_UNWRITTEN : LETTER_UNREADABLE;
    case REOPEN_LATER:
        return LETTER_UNWRITTEN;
    }
    assert(!"a reason");
    return LETTER_UNWRITTEN;
}

static void item_on_reopened(void *arg, const reopen_result *result)
{
    board_item *i = arg;
    letter_fate fate = item_fate_of(i, result->reason);
    if (fate == LETTER_UNREADABLE) item_log_unreadable(i, result->detail);
    item_on_fate(&i->receipt, fate);
}

static void board_resume(home *h, board_item *i)
{
    item_make_receipt(i);
    const reopen_wish wish = {
        .run = i->run, .timeout_ms = -1, .by = i->batch->by, .mark = letter_mark_row(&i->receipt)};
    if (h->draining)
        item_on_fate(&i->receipt, LETTER_UNWRITTEN);
    else if (!home_owns(h, &i->run))
        item_on_fate(&i->receipt, LETTER_REFUSED); /* its node alone appends to the run's journal */
    else
        reopen_begin(h, &wish, item_on_reopened, i);
}

static void board_send_letter(home *h, board_item *i)
{
    const board_batch *t = i->batch;
    item_make_receipt(i);
    const letter_wish wish = {
        .kind = (letter_kind)t->kind, .by = t->by, .text = *t->text ? t->text : NULL, .receipt = &i->receipt};
    bool is_here = home_owns(h, &i->run), can_write = !h->draining && gate_writable(h);
    slot *s = is_here && can_write ? slot_find_or_add(h, &i->run) : NULL;
    if ((s || (!is_here && can_write)) && letter_send(h, &i->run, &wish)) return;
    if (s) slot_look_up(h, s);
    item_on_fate(&i->receipt, LETTER_UNWRITTEN);
}

/* ---- Parcels ---- */

static void home_on_late_parcels(struct timer *t) { board_look(t->arg); }

/* Returns the parcel to the board, for want of memory: the home asks for it again a moment later. */
static void board_put_back(board *b, home *h, parcel *p)
{
    uv_mutex_lock(&b->lock);
    p->next = b->parcels[h->index];
    b->parcels[h->index] = p;
    (void)__atomic_add_fetch(&b->parcel_count, 1, __ATOMIC_RELEASE);
    uv_mutex_unlock(&b->lock);
    if (timer_is_started(&h->late_parcels)) return;
    h->late_parcels = (struct timer){.fn = home_on_late_parcels, .arg = h, .has_reserve = true};
    (void)timers_start(&h->timers, &h->late_parcels, PARCEL_AGAIN_MS);
}

void board_hand(home *from, parcel *p, const run_id *to)
{
    board *b = from->app->board;
    assert(home_owns(from, to));
    p->next = NULL;
    p->to = run_id_loop(to, from->count);
    if (p->to == from->index) {
        if (!p->deliver(from, p)) board_put_back(b, from, p);
        return;
    }
    uv_mutex_lock(&b->lock);
    home *h = b->homes[p->to];
    p->next = b->parcels[p->to];
    b->parcels[p->to] = p;
    (void)__atomic_add_fetch(&b->parcel_count, 1, __ATOMIC_RELEASE);
    uv_mutex_unlock(&b->lock);
    h->wake(h);
}

static parcel *board_take_parcels(board *b, const home *h)
{
    parcel *list = NULL;
    size_t count = 0;
    uv_mutex_lock(&b->lock);
    for (parcel *p; (p = b->parcels[h->index]); count++) {
        b->parcels[h->index] = p->next;
        p->next = list;
        list = p;
    }
    (void)__atomic_sub_fetch(&b->parcel_count, count, __ATOMIC_RELAXED);
    uv_mutex_unlock(&b->lock);
    return list;
}

static void board_deliver(board *b, home *h)
{
    parcel *list = __atomic_load_n(&b->parcel_count, __ATOMIC_ACQUIRE) > 0 ? board_take_parcels(b, h) : NULL;
    for (parcel *p; (p = list);) {
        list = p->next;
        p->next = NULL;
        if (!p->deliver(h, p)) board_put_back(b, h, p);
    }
}

void board_look(home *h)
{
    board *b = h->app->board;
    if (b) board_deliver(b, h);
    if (!b || __atomic_load_n(&b->waiting, __ATOMIC_ACQUIRE) == 0) return;
    for (board_item *i; (i = board_take(b, h));) {
        if (i->batch->kind == BOARD_RESUME)
            board_resume(h, i);
        else
            board_send_letter(h, i);
    }
}

/* ---- Marks that are there ---- */

struct board_marks {
    bool is_over, is_orphan, ok;
    size_t count, room;
    run_id runs[];
};

static void marks_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    board_marks *m = arg;
    (void)end; /* a span has no more runs than there is room for */
    assert(count <= m->room);
    for (size_t i = 0; i < count && !error; i++)
        if (rows[i].key.len == LETTER_MARK_BYTES)
            memcpy(m->runs[m->count++].bytes, (const uint8_t *)rows[i].key.data + RUN_ID_BYTES, RUN_ID_BYTES);
    m->ok = !error;
    m->is_over = true;
    if (m->is_orphan) free(m);
}

board_marks *board_read_marks(home *h, const run_id *sender, const board_span *span)
{
    uint8_t from[LETTER_MARK_BYTES], to[LETTER_MARK_BYTES + 1] = {0}; /* behind the last one: its key and a zero byte */
    assert(run_id_compare(&span->first, &span->last) <= 0);
    board_marks *m = calloc(1, sizeof *m + span->room * sizeof(run_id));
    if (!m) return NULL;
    m->room = span->room;
    board_mark(from, sender, span->first.bytes);
    board_mark(to, sender, span->last.bytes);
    const store_range range = {
        .table = board_table, .from = {from, sizeof from}, .to = {to, sizeof to}, .rows_max = span->room};
    if (store_scan(h->port, &range, marks_on_rows, m)) return m;
    free(m);
    return NULL;
}

bool board_marks_are_read(const board_marks *m, bool *ok)
{
    *ok = m->ok;
    return m->is_over;
}

bool board_has_mark(const board_marks *m, const run_id *run)
{
    for (size_t i = 0; i < m->count; i++)
        if (run_id_equal(&m->runs[i], run)) return !BUG(BULK_AGAIN);
    return false;
}

void board_marks_end(void *marks)
{
    board_marks *m = marks;
    m->is_orphan = true;
    if (m->is_over) free(m);
}

/* ---- Marks that nobody needs any more ---- */

struct board_tidying {
    store_segment segment;
    home *home;
    bool is_over, is_orphan, ok;
    size_t count;
    store_row *rows;
    uint8_t keys[];
};

static void tidying_free(board_tidying *t)
{
    free(t->rows);
    free(t);
}

board_tidying *board_forget(home *h, const run_id *sender, const uint8_t *ids, size_t bytes)
{
    size_t count = bytes / RUN_ID_BYTES;
    board_tidying *t = calloc(1, sizeof *t + count * LETTER_MARK_BYTES);
    store_row *rows = calloc(count, sizeof *rows);
    assert(count > 0);
    if (!t || !rows) {
        free(t);
        free(rows);
        return NULL;
    }
    t->home = h;
    t->rows = rows;
    t->count = count;
    for (size_t i = 0; i < count; i++) {
        uint8_t *key = t->keys + i * LETTER_MARK_BYTES;
        board_mark(key, sender, ids + i * RUN_ID_BYTES);
        rows[i] = (store_row){.next = i + 1 < count ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_DELETE,
                              .table = board_table,
                              .key = {key, LETTER_MARK_BYTES}};
    }
    t->segment =
        (store_segment){.run = *sender, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = rows, .tag = BOARD_TAG};
    home_send(h, &t->segment);
    return t;
}

bool board_is_forgotten(const board_tidying *t, bool *ok)
{
    *ok = t->ok;
    return t->is_over;
}

void board_forget_end(void *tidying)
{
    board_tidying *t = tidying;
    t->is_orphan = true;
    if (t->is_over) tidying_free(t);
}

void board_committed(store_segment *s)
{
    board_tidying *t = (board_tidying *)s;
    _Static_assert(offsetof(board_tidying, segment) == 0, "a tidying begins with its segment");
    home_segment_back(t->home);
    t->ok = !s->error;
    t->is_over = true;
    if (t->is_orphan) tidying_free(t);
}
