#include "apps/upstream/faults.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

#include "apps/upstream/chance.h"

typedef struct bucket {
    double calls_left; /* that may come now */
    int64_t filled_ms; /* monotonic; when `calls_left` was right */
    bool is_used;      /* false: full */
} bucket;

static pthread_mutex_t buckets_lock = PTHREAD_MUTEX_INITIALIZER;
static bucket buckets[CALL_APIS];

static bool fault_drawn(uint64_t draw, fault_kind which, double rate)
{
    return chance_unit(chance_mix(draw, which)) < rate;
}

fault_kind fault_of(const settings *s, uint64_t draw, fault_scope scope)
{
    if (fault_drawn(draw, FAULT_OVERLOAD, s->overload_rate)) return FAULT_OVERLOAD;
    if (fault_drawn(draw, FAULT_ERROR, s->error_rate)) return FAULT_ERROR;
    if (fault_drawn(draw, FAULT_CUT, s->cut_rate)) return FAULT_CUT;
    if (scope.streamed && fault_drawn(draw, FAULT_STREAM_ERROR, s->stream_error_rate)) return FAULT_STREAM_ERROR;
    if (scope.structured && fault_drawn(draw, FAULT_MALFORMED, s->malformed_rate)) return FAULT_MALFORMED;
    if (scope.message && fault_drawn(draw, FAULT_REFUSAL, s->refusal_rate)) return FAULT_REFUSAL;
    return FAULT_NONE;
}

const char *fault_name(fault_kind f)
{
    switch (f) {
    case FAULT_NONE:
        return "ok";
    case FAULT_ERROR:
        return "error";
    case FAULT_OVERLOAD:
        return "overloaded";
    case FAULT_CUT:
        return "cut";
    case FAULT_STREAM_ERROR:
        return "stream_error";
    case FAULT_MALFORMED:
        return "malformed";
    case FAULT_REFUSAL:
        return "refusal";
    }
    assert(false && "a fault without a name");
    return "";
}

uint64_t fault_draw(const settings *s, uint64_t body_hash, uint64_t n)
{
    return chance_mix(chance_mix(s->seed, body_hash), n);
}

int64_t fault_latency_ms(const settings *s, uint64_t draw)
{
    double jitter = chance_unit(chance_mix(draw, UINT64_C(0x6a69747465720000))) * (double)s->jitter_ms;
    return s->latency_ms + (int64_t)jitter;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(rc == 0);
    (void)rc;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Lets a call in: 0; or returns the milliseconds until one may come. */
static int64_t bucket_take(bucket *b, double per_second, int64_t now_ms)
{
    double size = per_second < 1 ? 1 : per_second;
    if (!b->is_used) *b = (bucket){.calls_left = size, .filled_ms = now_ms, .is_used = true};
    b->calls_left += (double)(now_ms - b->filled_ms) * per_second / 1000;
    if (b->calls_left > size) b->calls_left = size;
    b->filled_ms = now_ms;
    if (b->calls_left < 1) return (int64_t)ceil((1 - b->calls_left) * 1000 / per_second);
    b->calls_left -= 1;
    return 0;
}

int64_t fault_rate_limit_ms(const settings *s, call_api api)
{
    assert(api < CALL_APIS);
    if (s->rate_limit <= 0) return 0;
    int64_t now_ms = monotonic_ms();
    (void)pthread_mutex_lock(&buckets_lock);
    int64_t wait_ms = bucket_take(&buckets[api], s->rate_limit, now_ms);
    (void)pthread_mutex_unlock(&buckets_lock);
    return wait_ms;
}
