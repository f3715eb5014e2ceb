#include "runtime/trace/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"

typedef enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_HELD, SLOT_READY, SLOT_SENDING } slot_state;

enum { PATH_BYTES = 4096, READY_MOST = 1 << 20, TOUCH_EACH_MS = 1000, TOUCH_LEAST = 64 };

/* The file begins with it; records follow. In the machine's order: the file is of one machine. */
typedef struct spool_head {
    char magic[8];
    uint32_t record_bytes, keys;
    uint64_t records;
    uint64_t alive_ns; /* Unix: when the process last did something */
    char reserved[SPAN_RECORD_BYTES - 32];
} spool_head;
_Static_assert(sizeof(spool_head) == SPAN_RECORD_BYTES, "records are aligned as the head is");

static const char spool_magic[8] = {'s', 'w', 's', 'p', 'a', 'n', 's', '1'};

/* The request of a run of a former process. */
typedef struct former_request {
    uint8_t run[16];
    span *span; /* NULL: taken */
} former_request;

struct spool {
    pthread_mutex_t lock;
    spool_head *head; /* mapped */
    span *records;    /* behind it */
    size_t count;
    uint32_t *free_list; /* indexes of free records, the last freed last */
    size_t free_count;
    uint32_t *ready; /* a ring of indexes */
    size_t ready_first, ready_count, ready_max;
    size_t sending; /* records that the exporter has */
    size_t batch_at;
    uint64_t dropped;
    size_t taken;           /* records, since the last touch */
    int64_t touched_ms;     /* steady; the exporter's */
    former_request *former; /* in the order of the runs' ids */
    size_t former_count;
    uint64_t former_alive_ns;
};

static void span_set_state(span *p, slot_state state)
{
    __atomic_store_n(&p->state, (uint32_t)state, __ATOMIC_RELEASE);
}

static slot_state span_state(const span *p) { return (slot_state)__atomic_load_n(&p->state, __ATOMIC_ACQUIRE); }

/* ---- What a former process has left ---- */

typedef struct remains {
    span *spans; /* owned */
    size_t count;
    uint64_t alive_ns;
} remains;

static bool head_is_ours(const spool_head *h, off_t size)
{
    return memcmp(h->magic, spool_magic, sizeof spool_magic) == 0 && h->record_bytes == SPAN_RECORD_BYTES &&
           h->keys <= SPAN_KEYS && h->records <= READY_MOST * 2 &&
           (uint64_t)size >= (h->records + 1) * SPAN_RECORD_BYTES;
}

/* Whether the record is one that was written here: a file may hold anything. */
static bool span_is_whole(const span *p)
{
    return span_state(p) > SLOT_FREE && span_state(p) <= SLOT_SENDING && p->len <= sizeof p->items && p->id != 0 &&
           p->began_ns != 0 && p->kind >= SPAN_INTERNAL && p->kind <= SPAN_CLIENT;
}

/* Keeps the records that say something. */
static void remains_take(remains *out, const spool_head *h)
{
    const span *all = (const span *)(h + 1);
    size_t used = 0;
    for (uint64_t i = 0; i < h->records; i++) used += span_is_whole(&all[i]);
    out->alive_ns = h->alive_ns;
    out->spans = used ? malloc(used * sizeof(span)) : NULL;
    for (uint64_t i = 0; i < h->records && out->spans; i++)
        if (span_is_whole(&all[i])) out->spans[out->count++] = all[i];
}

/* Reads what is in the file. Nothing, if it is not there or of another version. */
static remains remains_read(const char *path)
{
    remains found = {.count = 0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return found;
    void *map = MAP_FAILED;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size >= sizeof(spool_head))
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) return found;
    if (head_is_ours(map, st.st_size)) remains_take(&found, map);
    (void)munmap(map, (size_t)st.st_size);
    return found;
}

static bool span_is_of_run(const span *p)
{
    static const uint8_t nobody[sizeof p->run];
    return p->is_request && memcmp(p->run, nobody, sizeof nobody) != 0;
}

/* Ends a span that the former process was in the middle of. */
static void span_cut_off(span *p, uint64_t alive_ns)
{
    p->ended_ns = alive_ns > p->began_ns ? alive_ns : p->began_ns;
    span_fail(p, "process_ended", "the process ended before this was over");
}

/* ---- Opening ---- */

static size_t spool_bytes(const spool *s) { return (s->count + 1) * SPAN_RECORD_BYTES; }

/* Maps a new file beside `path`; spool_name puts it in its place. NULL: with the reason in errno. */
static void *spool_map_file(const char *path, size_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return NULL;
    /* All of it is taken from the disk now: a page that found no room later would end the process. */
    int wrong = posix_fallocate(fd, 0, (off_t)bytes);
    void *map = wrong ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!wrong && map == MAP_FAILED) wrong = errno;
    close(fd);
    if (!wrong) return map;
    (void)unlink(path);
    errno = wrong;
    return NULL;
}

static bool spool_map_memory(spool *s)
{
    void *map = mmap(NULL, spool_bytes(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map != MAP_FAILED) s->head = map;
    return map != MAP_FAILED;
}

static void spool_begin_head(spool *s)
{
    *s->head = (spool_head){
        .record_bytes = SPAN_RECORD_BYTES, .keys = SPAN_KEYS, .records = s->count, .alive_ns = span_now_ns()};
    memcpy(s->head->magic, spool_magic, sizeof spool_magic);
    s->records = (span *)(s->head + 1);
}

static int former_compare(const void *a, const void *b)
{
    return memcmp(((const former_request *)a)->run, ((const former_request *)b)->run, 16);
}

/* Two records are of one run if two processes were killed within one recovery: what is held says more. */
static void spool_join_former(spool *s)
{
    size_t kept = 0;
    qsort(s->former, s->former_count, sizeof *s->former, former_compare);
    for (size_t i = 0; i < s->former_count; i++) {
        former_request *next = &s->former[i], *last = kept > 0 ? &s->former[kept - 1] : NULL;
        if (!last || former_compare(last, next) != 0) {
            s->former[kept++] = *next;
            continue;
        }
        span *left = span_state(last->span) == SLOT_HELD ? next->span : last->span;
        if (left == last->span) last->span = next->span;
        span_set_state(left, SLOT_FREE);
        s->free_list[s->free_count++] = (uint32_t)(left - s->records);
    }
    s->former_count = kept;
}

static void spool_add_former(spool *s, span *p)
{
    former_request *f = &s->former[s->former_count++];
    memcpy(f->run, p->run, sizeof f->run);
    f->span = p;
}

/* Puts what the former process has left into the new records: those that are over wait for the exporter, those of runs
 * for what becomes of the run. */
static void spool_put_remains(spool *s, const remains *left)
{
    for (size_t i = 0; i < left->count; i++) {
        if (i >= s->count) {
            s->dropped += left->count - i;
            break;
        }
        span *p = &s->records[i];
        *p = left->spans[i];
        p->began_us = 0;
        bool is_over = span_state(p) == SLOT_READY || span_state(p) == SLOT_SENDING;
        if (!is_over && span_is_of_run(p)) {
            spool_add_former(s, p);
            continue;
        }
        if (!is_over) span_cut_off(p, left->alive_ns);
        span_set_state(p, SLOT_READY);
        s->ready[s->ready_count++] = (uint32_t)i;
    }
    for (size_t i = s->count; i > left->count; i--) s->free_list[s->free_count++] = (uint32_t)(i - 1);
    spool_join_former(s);
    s->former_alive_ns = left->alive_ns;
}

static spool *spool_new(size_t ready_max)
{
    spool *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->count = ready_max * 2;
    s->ready_max = ready_max;
    s->batch_at = ready_max;
    s->free_list = calloc(s->count, sizeof *s->free_list);
    s->ready = calloc(s->count, sizeof *s->ready);
    s->former = calloc(s->count, sizeof *s->former);
    if (s->free_list && s->ready && s->former && pthread_mutex_init(&s->lock, NULL) == 0) return s;
    free(s->free_list);
    free(s->ready);
    free(s->former);
    free(s);
    return NULL;
}

static void spool_warn(const char *path, int reason, char *warning, size_t size)
{
    (void)snprintf(warning, size, "%s: %s: spans that are not exported will be lost with the process", path,
                   strerror(reason));
}

/* rename() failed, so the former file is in its place yet, and the next process will export its spans. This process
 * opens a spool in memory without them, or they would be exported twice. */
static spool *spool_open_without(spool *s, const char *fresh)
{
    char none[1];
    const size_t ready_max = s->ready_max;
    (void)unlink(fresh);
    spool_close(s);
    return spool_open(NULL, ready_max, none, sizeof none);
}

spool *spool_open(const char *path, size_t ready_max, char *warning, size_t warning_size)
{
    char fresh[PATH_BYTES];
    assert(ready_max > 0 && ready_max <= READY_MOST);
    *warning = 0;
    spool *s = spool_new(ready_max);
    if (!s) return NULL;
    remains left = path ? remains_read(path) : (remains){.count = 0};
    bool fits = path && (size_t)snprintf(fresh, sizeof fresh, "%s.new", path) < sizeof fresh;
    if (fits) s->head = spool_map_file(fresh, spool_bytes(s));
    if (path && !s->head) {
        spool_warn(path, fits ? errno : ENAMETOOLONG, warning, warning_size);
        left.count = 0; /* they stay in the file, for the next process */
    }
    if (!s->head && !spool_map_memory(s)) {
        free(left.spans);
        spool_close(s);
        return NULL;
    }
    spool_begin_head(s);
    spool_put_remains(s, &left);
    free(left.spans);
    if (!path || *warning || rename(fresh, path) == 0) return s;
    spool_warn(path, errno, warning, warning_size);
    return spool_open_without(s, fresh);
}

void spool_close(spool *s)
{
    if (!s) return;
    if (s->head) (void)munmap(s->head, spool_bytes(s));
    (void)pthread_mutex_destroy(&s->lock);
    free(s->free_list);
    free(s->ready);
    free(s->former);
    free(s);
}

/* ---- Requests of a former process ---- */

span *spool_take_former(spool *s, const uint8_t run[16])
{
    former_request *f = NULL, wanted = {.span = NULL};
    memcpy(wanted.run, run, sizeof wanted.run);
    if (s->former_count > 0) f = bsearch(&wanted, s->former, s->former_count, sizeof *s->former, former_compare);
    return f ? __atomic_exchange_n(&f->span, NULL, __ATOMIC_ACQ_REL) : NULL;
}

bool spool_former_at(const spool *s, size_t index, spool_former *out)
{
    if (index >= s->former_count) return false;
    const former_request *f = &s->former[index];
    const span *p = __atomic_load_n(&f->span, __ATOMIC_ACQUIRE);
    *out = (spool_former){.is_held = p && span_state(p) == SLOT_HELD};
    memcpy(out->run, f->run, sizeof out->run);
    return true;
}

void spool_settle(spool *s, span *p)
{
    if (span_state(p) != SLOT_HELD) span_cut_off(p, s->former_alive_ns);
    (void)spool_ready(s, p);
}

void spool_cut(spool *s, span *p)
{
    span_forget_end(p);
    span_cut_off(p, s->former_alive_ns);
    (void)spool_ready(s, p);
}

int64_t spool_former_alive_ms(const spool *s) { return (int64_t)(s->former_alive_ns / 1000000); }

/* ---- Spans ---- */

/* Takes a free record, under the lock. */
static span *spool_take_free(spool *s)
{
    assert(s->free_count <= s->count);
    if (s->free_count == 0) return NULL;
    s->taken++;
    span *p = &s->records[s->free_list[--s->free_count]];
    assert(span_state(p) == SLOT_FREE);
    return p;
}

static void span_clear(span *p)
{
    if (!p) return;
    memset(p, 0, offsetof(span, items));
    span_set_state(p, SLOT_FREE);
}

/* Half of the records is for spans that wait for the exporter. */
span *spool_begin(spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    size_t under_way = s->count - s->free_count - s->ready_count - s->sending;
    span *p = under_way < s->ready_max ? spool_take_free(s) : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    span_clear(p);
    return p;
}

span *spool_begin_ended(spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    span *p = s->ready_count + s->sending < s->ready_max ? spool_take_free(s) : NULL;
    if (!p) s->dropped++;
    (void)pthread_mutex_unlock(&s->lock);
    span_clear(p);
    return p;
}

void spool_count_dropped(spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->dropped++;
    (void)pthread_mutex_unlock(&s->lock);
}

static void spool_set_alive(spool *s, uint64_t ns) { __atomic_store_n(&s->head->alive_ns, ns, __ATOMIC_RELAXED); }

void spool_keep(spool *s, span *p)
{
    assert(p->id != 0 && p->began_ns != 0);
    spool_set_alive(s, p->began_ns);
    span_set_state(p, SLOT_OPEN);
}

void spool_hold(span *p) { span_set_state(p, SLOT_HELD); }

bool spool_ready(spool *s, span *p)
{
    assert(p->id != 0);
    spool_set_alive(s, p->ended_ns);
    (void)pthread_mutex_lock(&s->lock);
    const bool has_room = s->ready_count + s->sending < s->ready_max;
    const uint32_t index = (uint32_t)(p - s->records);
    span_set_state(p, has_room ? SLOT_READY : SLOT_FREE);
    if (has_room)
        s->ready[(s->ready_first + s->ready_count++) % s->count] = index;
    else
        s->free_list[s->free_count++] = index;
    s->dropped += !has_room;
    const bool is_batch = has_room && s->ready_count % s->batch_at == 0;
    (void)pthread_mutex_unlock(&s->lock);
    return is_batch;
}

void spool_drop(spool *s, span *p)
{
    span_set_state(p, SLOT_FREE);
    (void)pthread_mutex_lock(&s->lock);
    assert(s->free_count < s->count);
    s->free_list[s->free_count++] = (uint32_t)(p - s->records);
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- For the exporter ---- */

void spool_batch_at(spool *s, size_t spans)
{
    assert(spans > 0);
    s->batch_at = spans;
}

size_t spool_take(spool *s, span **out, size_t max)
{
    size_t n = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (; n < max && s->ready_count > 0; n++) {
        out[n] = &s->records[s->ready[s->ready_first]];
        s->ready_first = (s->ready_first + 1) % s->count;
        s->ready_count--;
        span_set_state(out[n], SLOT_SENDING);
    }
    s->sending += n;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

void spool_free(spool *s, span *const *spans, size_t count)
{
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        assert(span_state(spans[i]) == SLOT_SENDING);
        span_set_state(spans[i], SLOT_FREE);
        s->free_list[s->free_count++] = (uint32_t)(spans[i] - s->records);
    }
    assert(s->sending >= count);
    s->sending -= count;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Returns the number-th record that will be taken from now on; NULL: there are not so many free. */
static span *spool_next_free(spool *s, size_t number)
{
    (void)pthread_mutex_lock(&s->lock);
    span *p = number < s->free_count ? &s->records[s->free_list[s->free_count - 1 - number]] : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return p;
}

/* Touches the records that will be taken next: as many as were taken since the last touch, and TOUCH_LEAST more. A loop
 * may take one of them meanwhile: what is written here changes nothing in it. */
static void spool_touch(spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    const size_t most = s->taken + TOUCH_LEAST;
    s->taken = 0;
    (void)pthread_mutex_unlock(&s->lock);
    span *p;
    for (size_t i = 0; i < most && (p = spool_next_free(s, i)); i++)
        (void)__atomic_fetch_add(&p->state, 0, __ATOMIC_RELAXED);
}

void spool_tend(spool *s)
{
    const int64_t now_ms = clock_steady_ms();
    spool_set_alive(s, span_now_ns());
    if (s->touched_ms && now_ms - s->touched_ms < TOUCH_EACH_MS) return;
    s->touched_ms = now_ms;
    spool_touch(s);
}

spool_figures spool_figures_of(spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    const spool_figures f = {.waiting = s->ready_count + s->sending, .dropped = s->dropped};
    (void)pthread_mutex_unlock(&s->lock);
    return f;
}
