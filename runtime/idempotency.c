#include "runtime/idempotency.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/app.h"
#include "runtime/run/home.h"
#include "runtime/waiter.h"

/* A request that waits for its key to be looked up. */
typedef struct queued {
    struct queued *next;
    claim *claim;
    http_exchange *x;
    uint8_t fingerprint[STORE_KEY_BYTES];
} queued;

struct claim {
    claim *next; /* in its bucket */
    home *home;
    store_key key; /* with the fingerprint of the request that began the run */
    run *run;      /* NULL: it is being looked up */
    queued *first, **last;
};

/* ---- Keys ---- */

static void refuse(http_exchange *x, int status, const char *why) { waiter_problem(x, status, why, NULL); }

/* The key as it is compared; the draft has it in quotes, many clients do not. False: refused. */
static bool read_key(http_exchange *x, http_text *key)
{
    const http_request *q = http_exchange_request(x);
    size_t count = 0;
    for (size_t i = 0; i < q->header_count; i++) {
        if (strcasecmp(q->headers[i].name.data, "idempotency-key") != 0) continue;
        *key = q->headers[i].value;
        count++;
    }
    if (key->len >= 2 && key->data[0] == '"' && key->data[key->len - 1] == '"') {
        key->data++;
        key->len -= 2;
    }
    if (count == 1 && key->len > 0 && key->len <= IDEMPOTENCY_KEY_MAX) return true;
    refuse(x, 400,
           count > 1      ? "there is more than one Idempotency-Key"
           : key->len > 0 ? "the Idempotency-Key is longer than 255 bytes"
                          : "the Idempotency-Key is empty");
    return false;
}

/* SHA-256 over texts with their lengths, so that no two lists of texts look alike. */
static void digest(uint8_t out[STORE_KEY_BYTES], const http_text *texts, size_t count)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; i < count && ok; i++) {
        uint64_t len = texts[i].len;
        ok = EVP_DigestUpdate(md, &len, sizeof len) == 1 && EVP_DigestUpdate(md, texts[i].data, texts[i].len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(md, out, NULL) == 1;
    EVP_MD_CTX_free(md);
    if (ok) return;
    fprintf(stderr, "stepwell: libcrypto cannot compute SHA-256\n");
    abort();
}

static http_text text(const char *s) { return (http_text){s, strlen(s)}; }

static store_key make_key(const endpoint *e, const http_request *q, http_text key)
{
    const char *caller = e->options.caller_header ? http_request_header(q, e->options.caller_header) : NULL;
    http_text scope[] = {text(e->route), text(caller ? caller : ""), key};
    http_text request[] = {q->method, q->target, q->body};
    store_key k = {.hash = {0}};
    digest(k.hash, scope, 3);
    digest(k.fingerprint, request, 3);
    return k;
}

/* ---- The table ---- */

static claim **bucket(home *h, const uint8_t *hash)
{
    return &h->claims->buckets[(hash[4] << 8 | hash[5]) & (CLAIM_BUCKETS - 1)];
}

static claim *claim_find(home *h, const store_key *key)
{
    claim *c = *bucket(h, key->hash);
    while (c && memcmp(c->key.hash, key->hash, STORE_KEY_BYTES) != 0) c = c->next;
    return c;
}

const store_key *claim_key(const claim *c) { return &c->key; }

void claim_release(home *h, claim *c)
{
    if (!c) return;
    assert(!c->first);
    claim **at = bucket(h, c->key.hash);
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    free(c);
}

/* ---- Requests that wait ---- */

static http_exchange *take_exchange(queued *q)
{
    http_exchange *x = q->x;
    http_exchange_on_gone(x, NULL);
    http_exchange_set_user(x, NULL);
    free(q);
    return x;
}

static void on_gone(http_exchange *x)
{
    queued *q = http_exchange_user(x), **at = &q->claim->first;
    claim *c = q->claim;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
    if (!*at) c->last = at;
    http_reply_abort(take_exchange(q));
}

static bool enqueue(claim *c, http_exchange *x, const store_key *key)
{
    queued *q = malloc(sizeof *q);
    if (!q) {
        waiter_problem(x, 503, "out of memory", "5");
        return false;
    }
    *q = (queued){.claim = c, .x = x};
    memcpy(q->fingerprint, key->fingerprint, STORE_KEY_BYTES);
    *c->last = q;
    c->last = &q->next;
    http_exchange_set_user(x, q);
    http_exchange_on_gone(x, on_gone);
    return true;
}

/* The next that waits, and what its request was; NULL: none. */
static http_exchange *dequeue(claim *c, uint8_t fingerprint[STORE_KEY_BYTES])
{
    queued *q = c->first;
    if (!q) return NULL;
    c->first = q->next;
    if (!c->first) c->last = &c->first;
    memcpy(fingerprint, q->fingerprint, STORE_KEY_BYTES);
    return take_exchange(q);
}

/* ---- Answers ---- */

static bool same_request(http_exchange *x, const uint8_t *mine, const uint8_t *first)
{
    if (memcmp(mine, first, STORE_KEY_BYTES) == 0) return true;
    refuse(x, 422, "this Idempotency-Key came with another request before: its target or body was another");
    return false;
}

static waiter_wish replay_wish(http_exchange *x)
{
    waiter_wish wish = waiter_wish_of(http_exchange_request(x));
    wish.replayed = true;
    return wish;
}

/* To a run that only its claim knows yet. */
static void join(claim *c, http_exchange *x, const uint8_t *fingerprint)
{
    if (!same_request(x, fingerprint, c->key.fingerprint)) return;
    waiter_wish wish = replay_wish(x);
    waiter_attach(c->home, &c->run->waiters, &wish, x, &c->run->id);
    run_touch(c->run);
}

static void attach(home *h, http_exchange *x, const run_id *id)
{
    destination to = {.run = *id, .wish = replay_wish(x)};
    unsigned owner = run_id_loop(id, h->count);
    if (owner == h->index)
        slot_attach(h, x, &to.run, &to.wish);
    else
        h->move(h, owner, x, &to); /* it began under another --loops */
}

/* Nobody had the key: the first that waits begins the run. */
static void begin_run(claim *c, http_exchange *x, const uint8_t *fingerprint)
{
    home *h = c->home;
    const http_request *q = http_exchange_request(x);
    http_match m;
    if (home_refuses(h)) {
        waiter_problem(x, 503, "the server is stopping", "1");
        return;
    }
    http_match_result found = http_router_find(h->app->router, q->method, q->path, &m);
    assert(found == HTTP_MATCH_FOUND);
    (void)found;
    memcpy(c->key.fingerprint, fingerprint, STORE_KEY_BYTES);
    c->run = run_start(h, m.target, x, m.params, m.param_count, c);
}

static void on_found(void *arg, const store_key_row *row, const char *error)
{
    claim *c = arg;
    home *h = c->home;
    uint8_t fingerprint[STORE_KEY_BYTES];
    http_exchange *x;
    h->claims->looking--;
    while ((x = dequeue(c, fingerprint))) {
        if (error)
            waiter_problem(x, 503, error, "5");
        else if (row && same_request(x, fingerprint, row->fingerprint))
            attach(h, x, &row->run);
        else if (!row && c->run)
            join(c, x, fingerprint);
        else if (!row)
            begin_run(c, x, fingerprint);
    }
    if (!c->run) claim_release(h, c);
}

static void look_up(home *h, http_exchange *x, const store_key *key)
{
    claim *c = malloc(sizeof *c);
    if (!c) {
        waiter_problem(x, 503, "out of memory", "5");
        return;
    }
    *c = (claim){.home = h, .key = *key, .next = *bucket(h, key->hash)};
    c->last = &c->first;
    *bucket(h, key->hash) = c;
    if (!enqueue(c, x, key)) {
        claim_release(h, c);
        return;
    }
    h->claims->looking++;
    store_find_key(h->port, key->hash, on_found, c);
}

bool idempotency_take(home *h, const endpoint *e, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    http_text name = {NULL, 0};
    if (!http_request_header(q, "idempotency-key")) return false;
    if (!read_key(x, &name)) return true;
    store_key key = make_key(e, q, name);
    unsigned owner = (unsigned)(key.hash[0] << 8 | key.hash[1]) % h->count;
    if (owner != h->index) {
        h->move(h, owner, x, NULL);
        return true;
    }
    claim *c = claim_find(h, &key);
    if (!c)
        look_up(h, x, &key);
    else if (c->run)
        join(c, x, key.fingerprint);
    else
        (void)enqueue(c, x, &key);
    return true;
}
