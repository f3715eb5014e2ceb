#include "runtime/run/home.h"

#include <assert.h>
#include <stdlib.h>

#include "blocks/blocks.h"
#include "runtime/base/arena.h"
#include "runtime/run/letter.h"
#include "runtime/run/plain.h"
#include "runtime/run/program.h"
#include "runtime/run/question_seen.h"
#include "runtime/run/run.h"

bool home_init(home *h, sw_app *app, unsigned index, unsigned count)
{
    assert(index < count && count <= HOMES_MAX);
    *h = (home){.app = app,
                .opt = &app->opt,
                .index = index,
                .count = count,
                .last_ctx = index,
                .store = app->store,
                .cluster = app->store ? store_cluster(app->store) : &cluster_alone,
                .suspects = app->suspects,
                .comeback = app->comeback};
    run_id_set_cluster_slot(&h->runs.last_id, cluster_own_slot(h->cluster, index));
    TAILQ_INIT(&h->runs.touched);
    TAILQ_INIT(&h->runs.slotless);
    LIST_INIT(&h->runs.plain);
    LIST_INIT(&h->reopenings);
    TAILQ_INIT(&h->questions);
    TAILQ_INIT(&h->pages);
    h->outbox.last = &h->outbox.first;
    gate_init(&h->gate);
    mailbox_table_init(&h->mailboxes);
    msgpack_sbuffer_init(&h->scratch);
    sched_init(&h->sched);
    clock_begin(&h->clock, app->store ? store_epoch(app->store) : 0);
    h->stacks = stack_pool_new(&(stack_pool_options){.stack_size_bytes = app->opt.stack_size});
    h->blocks = blocks_new((size_t)app->opt.spare_memory);
    h->arenas = arena_cache_new(h->blocks);
    bool measures = durations_init(&h->durations, (uint32_t)app->opt.metric_series_max);
    bool has_slots = slot_table_init(&h->slots);
    load_quota_init(&h->slots.quota, (size_t)app->opt.journal_load_max);
    return measures && h->stacks && h->blocks && h->arenas && has_slots;
}

void home_free(home *h)
{
    assert(h->runs.count == 0 && h->outbox.in_flight == 0);
    assert(TAILQ_EMPTY(&h->runs.touched) && LIST_EMPTY(&h->runs.plain));
    assert(LIST_EMPTY(&h->reopenings) && TAILQ_EMPTY(&h->questions));
    assert(TAILQ_EMPTY(&h->pages) && h->pages_made == 0);
    assert(!h->gate.ends.first && !h->gate.others.first && h->gate.waiting == 0);
    assert(h->buffer_count <= HOME_BUFFERS);
    while (h->runs.free) {
        run *r = h->runs.free;
        h->runs.free = r->next_free;
        free(r);
    }
    while (h->runs.plain_free) {
        plain *p = h->runs.plain_free;
        h->runs.plain_free = p->next_free;
        free(p);
    }
    while (h->buffer_count > 0) msgpack_sbuffer_destroy(&h->buffers[--h->buffer_count]);
    msgpack_sbuffer_destroy(&h->scratch);
    letter_free_all(&h->undeleted);
    mailbox_table_free(&h->mailboxes);
    question_seen_free(h);
    slot_table_free(&h->slots);
    stack_pool_free(h->stacks);
    arena_cache_free(h->arenas);
    blocks_free(h->blocks);
}

bool home_owns(const home *h, const run_id *id) { return cluster_owns(h->cluster, id); }

bool home_refuses(const home *h) { return h->draining && (!h->followed || h->hurried); }

void home_send(home *h, store_segment *s)
{
    assert(!s->next);
    if (h->questions_seen && s->len > 0) question_seen_drop(h, &s->run);
    *h->outbox.last = s;
    h->outbox.last = &s->next;
    h->outbox.in_flight++;
}

void home_segment_back(home *h)
{
    assert(h->outbox.in_flight > 0);
    h->outbox.in_flight--;
}

void home_flush(home *h)
{
    store_segment *first = h->outbox.first;
    if (!first) return;
    assert(h->port && h->outbox.in_flight > 0);
    h->outbox.first = NULL;
    h->outbox.last = &h->outbox.first;
    store_append(h->port, first);
}
