#include "runtime/run/board.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/program.h"
#include "runtime/run/reopen.h"
#include "runtime/run/slot_core.h"

const char board_table[] = "bulk";

typedef enum item_state { ITEM_WAITS, ITEM_SENT, ITEM_TOLD } item_state;

typedef struct board_item {
    letter_receipt receipt; /* of its letter, while it is ITEM_SENT */
    board_batch *batch;
    run_id run;
    uint32_t generation; /* BOARD_RESUME */
    item_state state;    /* under the board's lock */
    letter_fate fate;    /* ITEM_TOLD */
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
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].state == ITEM_WAITS) (void)__atomic_sub_fetch(&t->board->waiting, 1, __ATOMIC_RELAXED);
    *t->link = t->next;
    if (t->next) t->next->link = t->link;
    free(t);
}

void board_end(board_batch *t)
{
    board *b = t->board;
    uv_mutex_lock(&b->lock);
    batch_unref(t);
    uv_mutex_unlock(&b->lock);
}

/* Lays the item out for its home. Under lock. Returns the home, to be woken. */
static home *item_lay_out(board_item *i)
{
    board *b = i->batch->board;
    i->state = ITEM_WAITS;
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

size_t board_send(board_batch *t, const run_id *to, uint32_t generation)
{
    assert(t->count < t->room);
    size_t place = t->count;
    board_item *i = &t->items[place];
    uv_mutex_lock(&t->board->lock);
    *i = (board_item){.batch = t, .run = *to, .generation = generation};
    t->count++;
    home *h = item_lay_out(i);
    uv_mutex_unlock(&t->board->lock);
    h->wake(h);
    return place;
}

void board_send_again(board_batch *t, size_t place)
{
    assert(place < t->count && t->items[place].state == ITEM_TOLD);
    item_post(&t->items[place]);
}

bool board_is_told(board_batch *t, size_t place, letter_fate *fate)
{
    assert(place < t->count);
    uv_mutex_lock(&t->board->lock);
    bool is_told = t->items[place].state == ITEM_TOLD;
    *fate = t->items[place].fate;
    uv_mutex_unlock(&t->board->lock);
    return is_told;
}

/* ---- On the run's home ---- */

static void item_on_fate(letter_receipt *r, letter_fate fate)
{
    board_item *i = (board_item *)((char *)r - offsetof(board_item, receipt));
    board *b = i->batch->board;
    uv_mutex_lock(&b->lock);
    assert(i->state == ITEM_SENT);
    i->state = ITEM_TOLD;
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
            if (t->items[i].state == ITEM_WAITS && run_id_loop(&t->items[i].run, h->count) == h->index)
                found = &t->items[i];
    if (found) {
        found->state = ITEM_SENT;
        found->batch->refs++;
        (void)__atomic_sub_fetch(&b->waiting, 1, __ATOMIC_RELAXED);
    }
    uv_mutex_unlock(&b->lock);
    return found;
}

/* 503 passes: the journal cannot be written, say. */
static void item_on_reopened(void *arg, const reopen_result *result)
{
    board_item *i = arg;
    item_on_fate(&i->receipt, result->status == 202   ? LETTER_OBEYED
                              : result->status == 503 ? LETTER_UNWRITTEN
                                                      : LETTER_IN_VAIN);
}

static void board_resume(home *h, board_item *i)
{
    const reopen_wish wish = {.run = i->run, .generation = i->generation, .timeout_ms = -1, .by = i->batch->by};
    if (h->draining)
        item_on_fate(&i->receipt, LETTER_UNWRITTEN);
    else
        reopen_begin(h, &wish, item_on_reopened, i);
}

static void board_send_letter(home *h, board_item *i)
{
    const board_batch *t = i->batch;
    board_mark(i->receipt.mark, &t->sender, i->run.bytes);
    i->receipt.table = board_table;
    i->receipt.on_fate = item_on_fate;
    const letter_wish wish = {
        .kind = (letter_kind)t->kind, .by = t->by, .text = *t->text ? t->text : NULL, .receipt = &i->receipt};
    slot *s = !h->draining && gate_writable(h) ? slot_find_or_add(h, &i->run) : NULL;
    if (s && letter_send(h, &i->run, &wish)) return;
    if (s) slot_look_up(h, s);
    item_on_fate(&i->receipt, LETTER_UNWRITTEN);
}

void board_look(home *h)
{
    board *b = h->app->board;
    if (!b || __atomic_load_n(&b->waiting, __ATOMIC_ACQUIRE) == 0) return;
    for (board_item *i; (i = board_take(b, h));) {
        if (i->batch->kind == BOARD_RESUME)
            board_resume(h, i);
        else
            board_send_letter(h, i);
    }
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
