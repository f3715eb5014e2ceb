#include "storage/rocks/rocks_claims.h"

#include <assert.h>
#include <stdlib.h>

enum { IDS_FIRST = 16 };

static bool ids_have(const claimed_ids *list, const run_id *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (run_id_equal(&list->ids[i], id)) return true;
    return false;
}

/* False: no memory. */
static bool ids_add(claimed_ids *list, const run_id *id)
{
    assert(list->count <= list->room);
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : IDS_FIRST;
        run_id *bigger = realloc(list->ids, room * sizeof *bigger);
        if (!bigger) return false;
        list->ids = bigger;
        list->room = room;
    }
    list->ids[list->count++] = *id;
    return true;
}

/* Adds the id to `own`, unless the other thread has it. */
static bool claims_add(rocks_claims *c, claimed_ids *own, const claimed_ids *others, const run_id *id)
{
    (void)pthread_mutex_lock(&c->lock);
    bool added = !ids_have(others, id) && ids_add(own, id);
    (void)pthread_mutex_unlock(&c->lock);
    return added;
}

static void claims_empty(rocks_claims *c, claimed_ids *own)
{
    (void)pthread_mutex_lock(&c->lock);
    own->count = 0;
    (void)pthread_mutex_unlock(&c->lock);
}

bool rocks_claims_init(rocks_claims *c)
{
    *c = (rocks_claims){.claimed = {.count = 0}};
    return pthread_mutex_init(&c->lock, NULL) == 0;
}

void rocks_claims_free(rocks_claims *c)
{
    (void)pthread_mutex_destroy(&c->lock);
    free(c->claimed.ids);
    free(c->doomed.ids);
}

bool rocks_claims_take(rocks_claims *c, const run_id *id) { return claims_add(c, &c->claimed, &c->doomed, id); }
void rocks_claims_drop(rocks_claims *c) { claims_empty(c, &c->claimed); }
bool rocks_claims_doom(rocks_claims *c, const run_id *id) { return claims_add(c, &c->doomed, &c->claimed, id); }
void rocks_claims_spare(rocks_claims *c) { claims_empty(c, &c->doomed); }
