#include "runtime/clients/idempotency.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/arena.h"
#include "runtime/base/digest.h"
#include "runtime/base/problem.h"
#include "runtime/base/want.h"
#include "runtime/clients/by_id.h"
#include "runtime/clients/door.h"
#include "runtime/clients/idempotency_key.h"
#include "runtime/clients/run_access.h"
#include "runtime/clients/waiter.h"
#include "runtime/run/home.h"
#include "runtime/run/omit.h"
#include "runtime/run/program.h"

/* A request with a key. */
typedef struct keyed {
    http_exchange *x;
    request_wish wish;
    uint8_t fingerprint[STORE_KEY_BYTES];
    keyed_begin_fn begin;       /* of an operator's request; NULL: it is for an endpoint */
    char by[LETTER_BY_MAX + 1]; /* with `begin` */
} keyed;

typedef struct claim claim;

/* A request that waits for its key to be looked up. */
typedef struct queued {
    struct queued *next;
    claim *claim;
    keyed request;
} queued;

struct claim {
    claim *next; /* in its bucket */
    home *home;
    run_key key; /* with the fingerprint of the request that began the run */
    run *run;    /* NULL: the key is being looked up */
    queued *first, **last;
};

_Static_assert((CLAIM_BUCKETS & (CLAIM_BUCKETS - 1)) == 0, "claim_bucket masks a hash");
_Static_assert((int)CLAIM_BUCKETS <= 1 << 16, "claim_bucket takes two bytes of a hash");
_Static_assert((int)STORE_KEY_BYTES == (int)DIGEST_BYTES, "digest_texts writes them");

/* ---- Keys ---- */

/* Refuses with a link to what keys are for, as the draft wants (2.7). */
static void key_refuse(http_exchange *x, int status, const char *why)
{
    static const http_reply_header more = {
        "Link", "<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>; rel=\"describedby\""};
    problem_reply_with(x, status, why, &more, 1);
}

/* False: the request was refused. */
static bool key_read(http_exchange *x, const request_wish *w, idempotency_key *key)
{
    const char *wrong = w->key_count > 1 ? "there is more than one Idempotency-Key"
                                         : idempotency_key_read(key, w->key.data, w->key.len);
    if (wrong) key_refuse(x, 400, wrong);
    return !wrong;
}

static const char hashing[] = "the hash of an Idempotency-Key";

static http_text text_of(const char *s) { return (http_text){s, strlen(s)}; }

enum { CALLER_LINES_MAX = 8 };

/* Hashes endpoint, caller and key. All lines of the caller's header count, since a client can send one of its own
 * before that of the proxy. False: there are more than CALLER_LINES_MAX of them. */
static bool key_hash_scope(const endpoint *e, const http_request *q, const idempotency_key *key,
                           uint8_t hash[STORE_KEY_BYTES])
{
    http_text scope[CALLER_LINES_MAX + 2] = {text_of(e->route)};
    size_t n = 1;
    for (size_t i = 0; e->options.caller_header && i < q->header_count; i++) {
        if (strcasecmp(q->headers[i].name.data, e->options.caller_header) != 0) continue;
        if (n > CALLER_LINES_MAX) return false;
        scope[n++] = text_of(q->headers[i].value.data);
    }
    if (n == 1) scope[n++] = text_of("");
    scope[n++] = (http_text){key->text, key->len};
    assert(n >= 3);
    assert(n <= sizeof scope / sizeof *scope);
    digest_texts(hash, scope, n, hashing);
    return true;
}

/* What is left out of the run is left out of the fingerprint, which is on disk too. False: no memory. */
static bool key_make_fingerprint(home *h, const endpoint *e, const http_request *q,
                                 uint8_t fingerprint[STORE_KEY_BYTES])
{
    run_input input = {.target = q->target, .headers = q->headers, .header_count = q->header_count, .body = q->body};
    arena a;
    arena_init(&a, h->arenas);
    omit_result result = omit_take_out(e, &a, &input);
    if (result == OMIT_NO_JSON) input.body = (http_text){"", 0}; /* no run begins with it */
    http_text request[] = {q->method, input.target, input.body};
    if (result != OMIT_NO_MEMORY) digest_texts(fingerprint, request, 3, hashing);
    arena_free(&a);
    return result != OMIT_NO_MEMORY;
}

/* ---- Of operators ---- */

unsigned idempotency_count(http_exchange *x) { return request_wish_of(http_exchange_request(x)).key_count; }

bool idempotency_read(http_exchange *x, const char *route, const char *by, uint8_t hash[STORE_KEY_BYTES])
{
    const request_wish w = request_wish_of(http_exchange_request(x));
    idempotency_key key;
    if (!key_read(x, &w, &key)) return false;
    const http_text scope[] = {text_of(route), text_of(by), {key.text, key.len}};
    digest_texts(hash, scope, 3, hashing);
    return true;
}

void idempotency_refuse_other(http_exchange *x)
{
    key_refuse(x, 422, "this Idempotency-Key came with another request before: its target or body was another");
}

/* ---- The table ---- */

static claim **claim_bucket(home *h, const uint8_t *hash)
{
    return &h->claims->buckets[(hash[4] << 8 | hash[5]) & (CLAIM_BUCKETS - 1)];
}

static claim *claim_find(home *h, const store_key *key)
{
    claim *c = *claim_bucket(h, key->hash);
    while (c && memcmp(c->key.key.hash, key->hash, STORE_KEY_BYTES) != 0) c = c->next;
    return c;
}

static void claim_free(claim *c)
{
    assert(!c->first);
    claim **at = claim_bucket(c->home, c->key.key.hash);
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    free(c);
}

static void claim_on_settled(run_key *k)
{
    claim *c = (claim *)((char *)k - offsetof(claim, key));
    assert(c->run);
    claim_free(c);
}

/* ---- Requests that wait ---- */

/* Frees `q`; its request is the caller's to answer. */
static keyed queued_take_request(queued *q)
{
    keyed k = q->request;
    assert(http_exchange_user(k.x) == q);
    http_exchange_on_gone(k.x, NULL);
    http_exchange_set_user(k.x, NULL);
    free(q);
    return k;
}

static void queued_on_gone(http_exchange *x)
{
    queued *q = http_exchange_user(x), **at = &q->claim->first;
    claim *c = q->claim;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
    if (!*at) c->last = at;
    http_reply_abort(queued_take_request(q).x);
}

/* Lets the request wait for the claim's key. False: no memory, and the request has been refused. */
static bool claim_enqueue(claim *c, const keyed *k)
{
    assert(!c->run);
    queued *q = malloc(sizeof *q);
    if (!q) {
        problem_reply(k->x, 503, "out of memory", "5");
        return false;
    }
    *q = (queued){.claim = c, .request = *k};
    *c->last = q;
    c->last = &q->next;
    http_exchange_set_user(k->x, q);
    http_exchange_on_gone(k->x, queued_on_gone);
    return true;
}

/* False: no request waits. */
static bool claim_dequeue(claim *c, keyed *out)
{
    queued *q = c->first;
    if (!q) return false;
    c->first = q->next;
    if (!c->first) c->last = &c->first;
    *out = queued_take_request(q);
    return true;
}

/* ---- Answers ---- */

/* Whether the request is the one that came with this key first; false: it was refused. */
static bool keyed_check_first(const keyed *k, const uint8_t *first)
{
    if (memcmp(k->fingerprint, first, STORE_KEY_BYTES) == 0) return true;
    idempotency_refuse_other(k->x);
    return false;
}

static request_wish keyed_replay_wish(const keyed *k)
{
    request_wish wish = k->wish;
    wish.answer.replayed = true;
    return wish;
}

/* Attaches the request to a run that only its claim knows yet. */
static void claim_join(claim *c, const keyed *k)
{
    assert(c->run);
    if (!keyed_check_first(k, c->key.key.fingerprint)) return;
    request_wish wish = keyed_replay_wish(k);
    waiter_attach(c->home, &c->run->waiters, &wish, k->x, &c->run->id);
    run_touch(c->run);
}

/* Tells an operator of the run, which is on disk: nothing else has to be known of it. */
static void keyed_accept(home *h, const keyed *k, const run_id *id)
{
    request_wish wish = keyed_replay_wish(k);
    struct waiter *only = NULL;
    assert(wish.answer.kind == WAITER_ASYNC);
    waiter_attach(h, &only, &wish, k->x, id);
    waiters_accept(&only);
    assert(!only);
}

/* Attaches the request to a run that the journal has under its key. */
static void keyed_attach(home *h, const keyed *k, const run_id *id)
{
    if (k->begin) {
        keyed_accept(h, k, id);
        return;
    }
    if (!run_access_is_here(h, k->x, id)) return;
    request_wish wish = keyed_replay_wish(k);
    destination to = {.run = *id, .answer = wish.answer};
    unsigned owner = run_id_loop(id, h->count);
    assert(owner < h->count);
    if (owner == h->index)
        by_id_attach(h, k->x, id, &wish);
    else
        h->move(h, owner, k->x, &to); /* the run began under another --loops */
}

/* Begins the run of a key that the journal does not have, for the first request that waits. */
static void claim_begin_run(claim *c, const keyed *k)
{
    assert(!c->run);
    home *h = c->home;
    const http_request *q = http_exchange_request(k->x);
    http_match m;
    if (home_refuses(h)) {
        problem_reply(k->x, 503, "the server is stopping", "1");
        return;
    }
    memcpy(c->key.key.fingerprint, k->fingerprint, STORE_KEY_BYTES);
    if (k->begin) {
        c->run = k->begin(h, k->x, k->by, &c->key);
        return;
    }
    http_match_result found = http_router_find(h->app->router, q->method, q->path, &m);
    assert(found == HTTP_MATCH_FOUND);
    (void)found;
    c->run = door_begin(h, k->x, &m, &k->wish, &c->key);
}

static void claim_on_found(void *arg, const store_key_row *row, const char *error)
{
    claim *c = arg;
    home *h = c->home;
    keyed k;
    assert(h->claims->looking > 0);
    h->claims->looking--;
    while (claim_dequeue(c, &k)) {
        if (error)
            problem_reply(k.x, 503, error, "5");
        else if (row && keyed_check_first(&k, row->fingerprint))
            keyed_attach(h, &k, &row->run);
        else if (!row && c->run)
            claim_join(c, &k);
        else if (!row)
            claim_begin_run(c, &k);
    }
    if (!c->run) claim_free(c);
}

static void claim_look_up(home *h, const keyed *k, const store_key *key)
{
    claim *c = malloc(sizeof *c);
    if (!c) {
        problem_reply(k->x, 503, "out of memory", "5");
        return;
    }
    *c = (claim){.home = h, .key = {*key, claim_on_settled}, .next = *claim_bucket(h, key->hash)};
    c->last = &c->first;
    *claim_bucket(h, key->hash) = c;
    if (!claim_enqueue(c, k)) {
        claim_free(c);
        return;
    }
    h->claims->looking++;
    if (!store_find_key(h->port, key->hash, claim_on_found, c)) claim_on_found(c, NULL, store_no_memory);
}

/* Moves the request to the loop that answers for the key, unless this one does. */
static bool keyed_move(home *h, http_exchange *x, const store_key *key)
{
    unsigned owner = (unsigned)(key->hash[0] << 8 | key->hash[1]) % h->count;
    if (owner != h->index) h->move(h, owner, x, NULL);
    return owner != h->index;
}

static void keyed_take(home *h, keyed *k, const store_key *key)
{
    memcpy(k->fingerprint, key->fingerprint, STORE_KEY_BYTES);
    claim *c = claim_find(h, key);
    if (!c)
        claim_look_up(h, k, key);
    else if (c->run)
        claim_join(c, k);
    else
        (void)claim_enqueue(c, k);
}

void idempotency_take(home *h, const endpoint *e, http_exchange *x, const request_wish *w)
{
    idempotency_key name;
    store_key key;
    assert(w->key_count > 0);
    if (!key_read(x, w, &name)) return;
    const http_request *q = http_exchange_request(x);
    if (!key_hash_scope(e, q, &name, key.hash)) {
        key_refuse(x, 400, "the header that names the caller is there more than 8 times");
        return;
    }
    if (keyed_move(h, x, &key)) return;
    if (!key_make_fingerprint(h, e, q, key.fingerprint)) {
        problem_reply(x, 503, "out of memory", "5");
        return;
    }
    keyed k = {.x = x, .wish = *w};
    keyed_take(h, &k, &key);
}

void idempotency_take_admin(home *h, http_exchange *x, const keyed_work *work)
{
    store_key key = {.hash = {0}};
    keyed k = {.x = x,
               .wish = {.answer = {.kind = WAITER_ASYNC}, .scope = RUN_TOKEN_CONTROL, .key_count = 1},
               .begin = work->begin};
    if (!idempotency_read(x, work->route, work->by, key.hash) || keyed_move(h, x, &key)) return;
    digest_texts(key.fingerprint, work->asked, 3, hashing);
    (void)snprintf(k.by, sizeof k.by, "%s", work->by);
    keyed_take(h, &k, &key);
}
