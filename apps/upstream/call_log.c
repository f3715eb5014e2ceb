#include "apps/upstream/call_log.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/upstream/text.h"

typedef struct call_entry {
    uint64_t number;             /* from 1, never used twice */
    uint64_t body_hash;          /* of API and body */
    int64_t received_ms;         /* Unix */
    int64_t answered_ms;         /* Unix; 0: not yet */
    const char *outcome;         /* a literal; NULL: none yet */
    int status;                  /* HTTP; 0: none yet */
    call_api api;                /* which of the APIs */
    char label[CALL_LABEL_SIZE]; /* what it is about */
} call_entry;

typedef struct body_count {
    uint64_t hash;  /* 0: the cell is free */
    uint64_t times; /* calls with this body */
} body_count;

/* Global because routes carry no argument of the program's; reached only through the functions below. */
static struct {
    pthread_mutex_t lock;
    call_entry *calls;    /* a ring of `room`; call n is at n % room once the ring is full-grown */
    size_t room;          /* cells of `calls`: grows to CALL_LOG_MAX */
    uint64_t first;       /* number of the oldest call in the ring */
    uint64_t next;        /* number of the next call */
    body_count *bodies;   /* open addressing */
    size_t bodies_room;   /* a power of two */
    size_t bodies_filled; /* half of the room at most */
} call_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .first = 1, .next = 1};

static const char *const api_names[CALL_APIS] = {"/v1/messages", "/search", "/v1/models", "/v1/chat/completions"};

static void log_lock(void)
{
    int rc = pthread_mutex_lock(&call_log.lock);
    assert(rc == 0);
    (void)rc;
}

static void log_unlock(void)
{
    int rc = pthread_mutex_unlock(&call_log.lock);
    assert(rc == 0);
    (void)rc;
}

/* A simulator that cannot remember its calls would let tests pass wrongly, so it stops. */
static void *memory_or_exit(void *memory)
{
    if (memory) return memory;
    fputs("upstream: no memory for the log of calls\n", stderr);
    abort();
}

static call_entry *call_find(uint64_t number)
{
    if (number < call_log.first || number >= call_log.next) return NULL;
    return &call_log.calls[number % call_log.room];
}

static void calls_grow(void)
{
    size_t room = call_log.room ? call_log.room * 2 : 256;
    if (room > CALL_LOG_MAX) room = CALL_LOG_MAX;
    call_entry *calls = memory_or_exit(malloc(room * sizeof *calls));
    for (uint64_t n = call_log.first; n < call_log.next; n++) calls[n % room] = call_log.calls[n % call_log.room];
    free(call_log.calls);
    call_log.calls = calls;
    call_log.room = room;
}

uint64_t call_log_begin(call_api api, uint64_t body_hash, int64_t now_ms)
{
    assert(api < CALL_APIS);
    log_lock();
    if (call_log.next - call_log.first == call_log.room) {
        if (call_log.room < CALL_LOG_MAX)
            calls_grow();
        else
            call_log.first++;
    }
    uint64_t number = call_log.next++;
    call_log.calls[number % call_log.room] =
        (call_entry){.number = number, .body_hash = body_hash, .received_ms = now_ms, .api = api};
    log_unlock();
    return number;
}

/* Cuts between characters, so that the log stays UTF-8. */
static void label_copy(char *to, const char *label)
{
    size_t len = strlen(label);
    if (len >= CALL_LABEL_SIZE) len = text_cut_len(label, CALL_LABEL_SIZE - 1);
    assert(len < CALL_LABEL_SIZE);
    memcpy(to, label, len);
    to[len] = '\0';
}

void call_log_label(uint64_t number, const char *label)
{
    assert(label);
    log_lock();
    call_entry *call = call_find(number);
    if (call) label_copy(call->label, label);
    log_unlock();
}

void call_log_end(uint64_t number, int status, const char *outcome, int64_t now_ms)
{
    assert(outcome);
    log_lock();
    call_entry *call = call_find(number);
    if (call) {
        call->status = status;
        call->outcome = outcome;
        call->answered_ms = now_ms;
    }
    log_unlock();
}

static body_count *bodies_cell(body_count *bodies, size_t room, uint64_t hash)
{
    assert(room > 0 && (room & (room - 1)) == 0);
    size_t i = hash & (room - 1);
    while (bodies[i].hash != 0 && bodies[i].hash != hash) i = (i + 1) & (room - 1);
    return &bodies[i];
}

static void bodies_grow(void)
{
    size_t room = call_log.bodies_room ? call_log.bodies_room * 2 : 1024;
    body_count *bodies = memory_or_exit(calloc(room, sizeof *bodies));
    for (size_t i = 0; i < call_log.bodies_room; i++)
        if (call_log.bodies[i].hash != 0) *bodies_cell(bodies, room, call_log.bodies[i].hash) = call_log.bodies[i];
    free(call_log.bodies);
    call_log.bodies = bodies;
    call_log.bodies_room = room;
}

static void bodies_clear(void)
{
    free(call_log.bodies);
    call_log.bodies = NULL;
    call_log.bodies_room = call_log.bodies_filled = 0;
}

uint64_t call_log_count(uint64_t body_hash)
{
    uint64_t hash = body_hash ? body_hash : 1;
    log_lock();
    if (call_log.bodies_filled >= CALL_LOG_BODIES_MAX) bodies_clear();
    if (call_log.bodies_filled * 2 >= call_log.bodies_room) bodies_grow();
    body_count *body = bodies_cell(call_log.bodies, call_log.bodies_room, hash);
    if (body->hash == 0) {
        body->hash = hash;
        call_log.bodies_filled++;
    }
    uint64_t before = body->times++;
    log_unlock();
    return before;
}

void call_log_clear(void)
{
    log_lock();
    call_log.first = call_log.next;
    bodies_clear();
    log_unlock();
}

/* Written one by one instead of as one value: all calls together may be more than a request's memory takes. */
static bool call_write(sw_ctx *c, const call_entry *call, const char *before)
{
    char line[512 + 2 * CALL_LABEL_SIZE], answered[32] = "null", status[16] = "null";
    if (call->answered_ms) (void)snprintf(answered, sizeof answered, "%lld", (long long)call->answered_ms);
    if (call->status) (void)snprintf(status, sizeof status, "%d", call->status);
    int len =
        snprintf(line, sizeof line,
                 "%s{\"call\":%llu,\"endpoint\":\"%s\",\"hash\":\"%016llx\",\"receivedMs\":%lld,\"answeredMs\":%s,"
                 "\"status\":%s,\"outcome\":%s%s%s,\"label\":",
                 before, (unsigned long long)call->number, api_names[call->api], (unsigned long long)call->body_hash,
                 (long long)call->received_ms, answered, status, call->outcome ? "\"" : "",
                 call->outcome ? call->outcome : "null", call->outcome ? "\"" : "");
    assert(len > 0 && (size_t)len < sizeof line);
    sw_bytes label = sw_json(c, sw_str(c, call->label));
    return sw_reply_write(c, line, (size_t)len) && sw_reply_write(c, label.data, label.len) &&
           sw_reply_write(c, "}", 1);
}

/* Copied out first: a reply may wait for its client or fail, which must not happen under the lock. */
void call_log_reply(sw_ctx *c)
{
    log_lock();
    size_t count = call_log.next - call_log.first;
    call_entry *copy = memory_or_exit(malloc((count ? count : 1) * sizeof *copy));
    for (size_t i = 0; i < count; i++) copy[i] = *call_find(call_log.first + i);
    log_unlock();
    sw_defer(c, free, copy);
    sw_reply_open(c, 200, "application/json");
    bool there = sw_reply_write(c, "[", 1);
    for (size_t i = 0; i < count && there; i++) there = call_write(c, &copy[i], i == 0 ? "" : ",\n");
    if (there) (void)sw_reply_write(c, "]", 1);
}
