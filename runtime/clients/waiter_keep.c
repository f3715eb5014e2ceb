/* waiter_keep: clients whose connections outlive the process: which can be kept, what the next worker needs of them,
 * and how that worker goes on with them. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clients/by_id.h"
#include "runtime/clients/client_note.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"

/* Whether the next worker would find the run, and know how far the client's stream has come. */
static bool waiter_run_is_findable(const waiter *w)
{
    const slot *s = slot_find(&w->home->slots, &w->id);
    if (w->wish.kind == WAITER_STREAM && !w->begun) return false;
    if (w->over) return true; /* on disk */
    return s && s->state != SLOT_UNKNOWN && (!s->run || run_is_durable(s->run));
}

waiter_keep_result waiter_keep(keep_entry *e)
{
    waiter *w = (waiter *)((char *)e - offsetof(waiter, keep));
    keeper *k = w->home->keeper;
    http_kept kept;
    assert(!http_exchange_kept(w->x));
    if (waiter_kind_steers(w->wish.kind) || w->wish.kind == WAITER_REST) return WAITER_KEEP_DONE;
    if (!keeper_has_room(k) || !waiter_run_is_findable(w)) return WAITER_KEEP_LATER;
    /* A client that has sent its last byte may have gone, which shows soon; in a drain the next worker finds out. */
    if (http_exchange_half_closed(w->x) && !w->home->draining) return WAITER_KEEP_LATER;
    if (!http_exchange_can_keep(w->x, &kept)) return WAITER_KEEP_LATER;
    kept_client client = {.run = w->id, .wish = w->wish, .position = kept.position, .request = {kept.bytes, kept.len}};
    client.unsent = (sw_bytes){kept.unsent.data, kept.unsent.len};
    client.wish.after = w->cursor;
    client.wish.begun = w->begun;
    uint64_t key = keeper_keep(k, kept.fd, &client);
    free(kept.bytes);
    if (key == 0) return WAITER_KEEP_LATER;
    http_exchange_keep(w->x, key);
    return WAITER_KEEP_DONE;
}

void waiter_take_back(home *h, http_exchange *x, const request_wish *asked, const kept_client *client)
{
    request_wish again = *asked;
    waiter_wish wish = client->wish;
    if (client->replying && !client->reply.body_follows) {
        http_reply_resume(x, &client->reply);
        http_reply_end(x);
        return;
    }
    if (client->replying) {
        wish = (waiter_wish){.kind = WAITER_REST, .rest = &client->reply, .begun = true, .since_ms = wish.since_ms};
    } else if (wish.begun) {
        http_reply_resume_stream(x, (http_text){client->unsent.data, client->unsent.len});
    }
    again.answer = wish;
    by_id_attach(h, x, &client->run, &again);
}

/* Returns the text up to the first of these bytes, or up to the end. */
static http_text text_until(const char *at, const char *end, const char *bytes)
{
    const char *to = at;
    assert(at <= end);
    while (to < end && !strchr(bytes, *to)) to++;
    return (http_text){at, (size_t)(to - at)};
}

/* Returns the path of a request line's target, which may be a whole URL. */
static http_text target_path(const char *at, const char *end)
{
    http_text target = text_until(at, end, " \r\n");
    if (target.len > 0 && *at != '/') {
        const char *host = memmem(at, target.len, "://", 3);
        const char *path = host ? memchr(host + 3, '/', (size_t)(at + target.len - host - 3)) : NULL;
        if (path) at = path;
    }
    return text_until(at, target.data + target.len, "?");
}

static bool kept_request_is_of_link(const home *h, sw_bytes request)
{
    const char *end = request.data + request.len;
    http_text method = text_until(request.data, end, " ");
    const char *target = method.data + method.len;
    return request_is_of_link(h->app->router, method, target_path(target < end ? target + 1 : end, end));
}

/* A client to which a reply had begun has been answered, or was sent on: the run does not lose it. */
void waiter_report_lost(home *h, const kept_client *client)
{
    const request_wish asked = {.answer = client->wish, .observes = kept_request_is_of_link(h, client->request)};
    if (!client->replying && client->wish.kind != WAITER_NONE && waiter_asks(&asked)) slot_client_lost(h, &client->run);
}

bool waiters_unkeep(waiter **list)
{
    for (waiter *w = *list; w; w = w->next)
        if (http_exchange_kept(w->x) && !http_exchange_unkeep(w->x)) return false;
    return true;
}
