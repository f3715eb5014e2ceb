/* slot_table: where a home's slots are found by their runs' ids, and the memory that slots are made of. Each slot has
 * room for its timer from the start: a parked run has to be woken, however little memory there is then. */
#include <assert.h>
#include <stdlib.h>

#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/reopen.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

bool slot_table_init(slot_table *t)
{
    *t = (slot_table){.bucket_count = 1024};
    TAILQ_INIT(&t->due);
    TAILQ_INIT(&t->asked);
    TAILQ_INIT(&t->gated);
    TAILQ_INIT(&t->suspects);
    TAILQ_INIT(&t->behind);
    t->buckets = calloc(t->bucket_count, sizeof(slot *));
    t->spare = malloc(sizeof(run)); /* has one of the timers' own places */
    return t->buckets && t->spare;
}

void slot_table_free(slot_table *t)
{
    for (size_t i = 0; i < t->bucket_count; i++)
        for (slot *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            assert(!s->run && !s->waiters);
            letter_free_all(&s->letters);
            free(s);
        }
    free(t->buckets);
    free(t->spare);
    t->buckets = NULL;
}

static slot **slot_bucket(const slot_table *t, const run_id *id)
{
    return &t->buckets[run_id_hash(id) & (t->bucket_count - 1)];
}

slot *slot_find(const slot_table *t, const run_id *id)
{
    slot *s = *slot_bucket(t, id);
    while (s && !run_id_equal(&s->id, id)) s = s->next;
    return s;
}

/* A table that cannot grow gets slower, not wrong. */
static void slot_table_grow(slot_table *t)
{
    assert((t->bucket_count & (t->bucket_count - 1)) == 0); /* slot_bucket() takes the hash modulo a power of two */
    slot_table bigger = {.bucket_count = t->bucket_count * 2};
    bigger.buckets = calloc(bigger.bucket_count, sizeof(slot *));
    if (!bigger.buckets) return;
    for (size_t i = 0; i < t->bucket_count; i++)
        for (slot *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            slot **at = slot_bucket(&bigger, &s->id);
            s->next = *at;
            *at = s;
        }
    free(t->buckets);
    t->buckets = bigger.buckets;
    t->bucket_count = bigger.bucket_count;
}

static slot *slot_table_insert(slot_table *t, slot *s, const run_id *id)
{
    assert(!slot_find(t, id));
    if (t->count >= t->bucket_count) slot_table_grow(t);
    *s = (slot){.id = *id, .state = SLOT_NEW, .next = *slot_bucket(t, id)};
    *slot_bucket(t, id) = s;
    counter_add(&t->count, 1);
    return s;
}

slot *slot_add(home *h, const run_id *id)
{
    if (!timers_reserve(&h->timers, 1)) return NULL;
    slot *s = calloc(1, sizeof *s);
    if (!s) {
        timers_unreserve(&h->timers, 1);
        return NULL;
    }
    return slot_table_insert(&h->slots, s, id);
}

slot *slot_add_spare(home *h, const run_id *id)
{
    slot_table *t = &h->slots;
    slot *s = t->spare;
    assert(s);
    t->spare = NULL;
    return slot_table_insert(t, s, id);
}

_Static_assert(sizeof(run) >= sizeof(slot), "a run's memory is enough for a slot");

bool slot_restock(home *h, run *r)
{
    if (h->slots.spare) return false;
    bool kept = timers_reserve(&h->timers, 1);
    assert(kept); /* the run has just given one up */
    (void)kept;
    h->slots.spare = r;
    return true;
}

void slot_forget(home *h, slot *s)
{
    slot_table *t = &h->slots;
    assert(!s->waiters && !s->run);
    assert(t->count > 0);
    reopen_deny(h, &s->id, REOPEN_LATER, "the run is about to be read: ask again");
    assert(s->stop == STOP_NONE || t->stopped > 0);
    slot_post(h, s, SLOT_ON_GONE);
    timers_stop(&h->timers, &s->due);
    timers_unreserve(&h->timers, 1);
    if (s->stop != STOP_NONE) counter_add(&t->stopped, -1);
    letter_free_all(&s->letters);
    slot **at = slot_bucket(t, &s->id);
    while (*at && *at != s) at = &(*at)->next;
    assert(*at == s);
    *at = s->next;
    counter_add(&t->count, -1);
    free(s);
}
