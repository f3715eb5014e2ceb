#include "http/client/resolver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { ADDRESSES_MAX = 16, IDLE_SECONDS = 10, ANSWER_TEXT_MAX = ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3) };

/* Allocated with the question, so that want of memory later on leaves no call waiting for a name. */
typedef struct answer {
    STAILQ_ENTRY(answer) next;
    bool found;
    char text[ANSWER_TEXT_MAX]; /* the addresses, or why there are none */
    char name[];
} answer;

STAILQ_HEAD(answer_list, answer);

struct resolver_asker {
    uv_async_t async;
    resolver_on_answer on_answer;
    void (*on_closed)(void *arg);
    void *arg;
    size_t pending;           /* names asked for and not answered: until then the loop stays alive */
    struct answer_list inbox; /* guarded by `lock` */
};

typedef struct subscription {
    SLIST_ENTRY(subscription) next;
    resolver_asker *asker;
    answer *reserve; /* owned: what the asker will get */
} subscription;

SLIST_HEAD(subscription_list, subscription);

typedef struct lookup {
    TAILQ_ENTRY(lookup) next;
    bool running;
    struct subscription_list askers;
    char name[];
} lookup;

TAILQ_HEAD(lookup_list, lookup);

/*   FREE --created--> SERVING --nothing came for a while-----------------------> FREE
 *                       |------ the last asker closes, idle----> JOINED --joined--> FREE
 *                       `------ the last asker closes, busy----> ORPHAN --ends----> FREE   */
typedef enum thread_state { THREAD_FREE, THREAD_SERVING, THREAD_JOINED, THREAD_ORPHAN } thread_state;

typedef struct pool_thread {
    pthread_t id;
    thread_state state;
    bool busy; /* in getaddrinfo, which nobody can cut short */
} pool_thread;

/* Guards everything below, and all inboxes. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct lookup_list lookups = TAILQ_HEAD_INITIALIZER(lookups); /* queued and running */
static pool_thread threads[RESOLVER_THREADS_MAX];
static int idle_threads, askers;
static unsigned threads_max = RESOLVER_THREADS; /* how many of `threads` may be in use */

_Static_assert((int)RESOLVER_THREADS <= (int)RESOLVER_THREADS_MAX, "the default is within the table");

/* ---- On a thread of the pool ---- */

static size_t answer_add_address(char *out, size_t len, const struct addrinfo *a)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in6 *six = (const void *)a->ai_addr;
    const struct sockaddr_in *four = (const void *)a->ai_addr;
    bool is_six = a->ai_family == AF_INET6;
    assert(len < ANSWER_TEXT_MAX);
    if ((!is_six && a->ai_family != AF_INET) || (is_six && six->sin6_scope_id)) return len; /* the text has no scope */
    if (!inet_ntop(a->ai_family, is_six ? (const void *)&six->sin6_addr : &four->sin_addr, text, sizeof text))
        return len;
    int n = snprintf(out + len, ANSWER_TEXT_MAX - len, is_six ? "%s[%s]" : "%s%s", len > 0 ? "," : "", text);
    assert(n > 0);
    assert(len + (size_t)n < ANSWER_TEXT_MAX);
    return len + (size_t)n;
}

static void name_look_up(const char *name, answer *to)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(name, NULL, &hints, &found), count = 0;
    size_t len = 0;
    for (struct addrinfo *a = found; !failed && a && count < ADDRESSES_MAX; a = a->ai_next, count++)
        len = answer_add_address(to->text, len, a);
    if (found) freeaddrinfo(found);
    to->found = len > 0;
    if (!to->found)
        (void)snprintf(to->text, sizeof to->text, "%s", failed ? gai_strerror(failed) : "no usable address");
}

/* With the lock held. */
static void lookup_deliver(lookup *l, const answer *result)
{
    subscription *s;
    assert(l->running);
    while ((s = SLIST_FIRST(&l->askers))) {
        SLIST_REMOVE_HEAD(&l->askers, next);
        s->reserve->found = result->found;
        memcpy(s->reserve->text, result->text, sizeof result->text);
        STAILQ_INSERT_TAIL(&s->asker->inbox, s->reserve, next);
        (void)uv_async_send(&s->asker->async);
        free(s);
    }
}

static lookup *lookup_next_queued(void)
{
    lookup *l;
    TAILQ_FOREACH(l, &lookups, next) if (!l->running) break;
    return l;
}

/* With the lock held, which is given up while it waits. NULL: for IDLE_SECONDS there was no look-up, or the thread is
 * to end. */
static lookup *thread_wait_for_lookup(const pool_thread *t)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    lookup *l = NULL;
    idle_threads++;
    for (int rc = 0; t->state == THREAD_SERVING && !(l = lookup_next_queued()) && rc == 0;)
        rc = pthread_cond_clockwait(&work, &lock, CLOCK_MONOTONIC, &until);
    idle_threads--;
    return l;
}

static void *thread_main(void *arg)
{
    pool_thread *t = arg;
    answer result;
    (void)pthread_setname_np(pthread_self(), "sw-lookup");
    pthread_mutex_lock(&lock);
    for (lookup *l; (l = thread_wait_for_lookup(t));) {
        l->running = t->busy = true;
        pthread_mutex_unlock(&lock);
        name_look_up(l->name, &result);
        pthread_mutex_lock(&lock);
        assert(t->state == THREAD_SERVING || t->state == THREAD_ORPHAN);
        t->busy = false;
        TAILQ_REMOVE(&lookups, l, next);
        lookup_deliver(l, &result);
        free(l);
    }
    if (t->state == THREAD_SERVING) (void)pthread_detach(t->id);
    if (t->state != THREAD_JOINED) t->state = THREAD_FREE;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void lookups_drop_queued(void)
{
    for (lookup *l = TAILQ_FIRST(&lookups), *after; l; l = after) {
        after = TAILQ_NEXT(l, next);
        if (l->running) continue;
        TAILQ_REMOVE(&lookups, l, next);
        free(l);
    }
}

/* Ends all threads, since no asker is left. With the lock held, which is given up meanwhile. Waits for idle threads, so
 * that nothing of them is left when the process ends; a thread in getaddrinfo ends when that returns. */
static void pool_end_threads(void)
{
    assert(askers == 0);
    lookups_drop_queued();
    for (int i = 0; i < RESOLVER_THREADS_MAX; i++) {
        pool_thread *t = &threads[i];
        if (t->state != THREAD_SERVING) continue;
        t->state = t->busy ? THREAD_ORPHAN : THREAD_JOINED;
        if (t->busy) (void)pthread_detach(t->id);
    }
    pthread_cond_broadcast(&work);
    for (int i = 0; i < RESOLVER_THREADS_MAX; i++) {
        pool_thread *t = &threads[i];
        if (t->state != THREAD_JOINED) continue;
        pthread_mutex_unlock(&lock);
        (void)pthread_join(t->id, NULL);
        pthread_mutex_lock(&lock);
        assert(t->state == THREAD_JOINED);
        t->state = THREAD_FREE;
    }
}

/* ---- On a loop ---- */

static int lookups_count_queued(void)
{
    int n = 0;
    lookup *l;
    TAILQ_FOREACH(l, &lookups, next) n += !l->running;
    return n;
}

/* Wakes or makes a thread for the look-up that was queued last; with the lock held. False: there is none, and waiting
 * would bring none. */
static bool pool_provide_thread(void)
{
    bool any = false;
    if (lookups_count_queued() <= idle_threads) { /* a thread counts as idle until it has woken */
        pthread_cond_signal(&work);
        return true;
    }
    for (unsigned i = 0; i < threads_max; i++) {
        pool_thread *t = &threads[i];
        any = any || t->state == THREAD_SERVING;
        if (t->state != THREAD_FREE) continue;
        *t = (pool_thread){.state = THREAD_SERVING};
        if (pthread_create(&t->id, NULL, thread_main, t) == 0) return true;
        t->state = THREAD_FREE;
        break;
    }
    return any;
}

static lookup *lookup_find_or_queue(const char *name)
{
    lookup *l;
    TAILQ_FOREACH(l, &lookups, next) if (strcmp(l->name, name) == 0) return l;
    size_t size = strlen(name) + 1;
    l = calloc(1, sizeof *l + size);
    if (!l) return NULL;
    memcpy(l->name, name, size);
    SLIST_INIT(&l->askers);
    TAILQ_INSERT_TAIL(&lookups, l, next);
    if (pool_provide_thread()) return l;
    TAILQ_REMOVE(&lookups, l, next);
    free(l);
    return NULL;
}

static void subscription_free(subscription *s)
{
    free(s->reserve);
    free(s);
}

static subscription *subscription_new(resolver_asker *asker, const char *name)
{
    size_t size = strlen(name) + 1;
    subscription *s = malloc(sizeof *s);
    answer *reserve = malloc(sizeof *reserve + size);
    if (!s || !reserve) {
        free(s);
        free(reserve);
        return NULL;
    }
    memcpy(reserve->name, name, size);
    *s = (subscription){.asker = asker, .reserve = reserve};
    return s;
}

bool resolver_ask(resolver_asker *asker, const char *name)
{
    assert(*name);
    assert(!asker->on_closed);
    subscription *s = subscription_new(asker, name);
    if (!s) return false;
    pthread_mutex_lock(&lock);
    lookup *l = lookup_find_or_queue(name);
    if (l) SLIST_INSERT_HEAD(&l->askers, s, next);
    pthread_mutex_unlock(&lock);
    if (l && asker->pending++ == 0) uv_ref((uv_handle_t *)&asker->async);
    if (!l) subscription_free(s);
    return l != NULL;
}

static void asker_on_answers(uv_async_t *h)
{
    resolver_asker *asker = h->data;
    struct answer_list arrived = STAILQ_HEAD_INITIALIZER(arrived);
    pthread_mutex_lock(&lock);
    STAILQ_CONCAT(&arrived, &asker->inbox);
    pthread_mutex_unlock(&lock);
    for (answer *a; (a = STAILQ_FIRST(&arrived));) {
        STAILQ_REMOVE_HEAD(&arrived, next);
        assert(asker->pending > 0);
        if (--asker->pending == 0) uv_unref((uv_handle_t *)&asker->async);
        asker->on_answer(asker->arg, a->name, a->found ? a->text : NULL, a->found ? NULL : a->text);
        free(a);
    }
}

resolver_asker *resolver_open(uv_loop_t *loop, unsigned most, resolver_on_answer on_answer, void *arg)
{
    assert(most > 0 && most <= RESOLVER_THREADS_MAX);
    resolver_asker *asker = calloc(1, sizeof *asker);
    if (!asker || uv_async_init(loop, &asker->async, asker_on_answers) != 0) {
        free(asker);
        return NULL;
    }
    uv_unref((uv_handle_t *)&asker->async);
    asker->async.data = asker;
    asker->on_answer = on_answer;
    asker->arg = arg;
    STAILQ_INIT(&asker->inbox);
    pthread_mutex_lock(&lock);
    askers++;
    threads_max = most;
    pthread_mutex_unlock(&lock);
    return asker;
}

static void asker_on_closed(uv_handle_t *h)
{
    resolver_asker *asker = h->data;
    asker->on_closed(asker->arg);
    free(asker);
}

void resolver_close(resolver_asker *asker, void (*on_closed)(void *arg))
{
    lookup *l;
    assert(on_closed);
    assert(!asker->on_closed);
    pthread_mutex_lock(&lock);
    assert(askers > 0);
    TAILQ_FOREACH(l, &lookups, next)
    {
        subscription *s = SLIST_FIRST(&l->askers), *after;
        for (; s; s = after) {
            after = SLIST_NEXT(s, next);
            if (s->asker != asker) continue;
            SLIST_REMOVE(&l->askers, s, subscription, next);
            subscription_free(s);
        }
    }
    for (answer *a; (a = STAILQ_FIRST(&asker->inbox));) {
        STAILQ_REMOVE_HEAD(&asker->inbox, next);
        free(a);
    }
    if (--askers == 0) pool_end_threads();
    pthread_mutex_unlock(&lock);
    asker->on_closed = on_closed;
    uv_close((uv_handle_t *)&asker->async, asker_on_closed);
}
