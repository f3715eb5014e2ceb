#include "tests/simulation/world.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/simulation/coverage.h"

world *w;

enum { SPACE_BYTES = 64 << 20, CLASS_FIRST = 5, HEAD_BYTES = 16 };
static const int64_t STEADY_FIRST_NS = 1000000000000, AHEAD_FIRST_MS = 1800000000000;

/* ---- The disk's memory: blocks of powers of two, behind the world ---- */

static unsigned class_of(size_t bytes)
{
    unsigned c = CLASS_FIRST;
    while (((size_t)1 << c) < bytes + HEAD_BYTES) c++;
    return c;
}

static void *take(space *s, size_t bytes)
{
    unsigned c = class_of(bytes);
    char *block = s->free[c];
    if (block) {
        s->free[c] = *(void **)(void *)(block + HEAD_BYTES);
        return block + HEAD_BYTES;
    }
    if (s->used + ((size_t)1 << c) > SPACE_BYTES) abort();
    block = (char *)(w + 1) + s->used;
    s->used += (size_t)1 << c;
    memcpy(block, &c, sizeof c);
    return block + HEAD_BYTES;
}

static void give(space *s, void *block)
{
    unsigned c;
    if (!block) return;
    char *head = (char *)block - HEAD_BYTES;
    memcpy(&c, head, sizeof c);
    *(void **)block = s->free[c];
    s->free[c] = head;
}

static void *resize(void *arg, void *block, size_t bytes)
{
    space *s = arg;
    unsigned c = 0;
    if (block) memcpy(&c, (char *)block - HEAD_BYTES, sizeof c);
    if (bytes > 0 && block && class_of(bytes) == c) return block;
    void *moved = bytes > 0 ? take(s, bytes) : NULL;
    size_t room = block ? ((size_t)1 << c) - HEAD_BYTES : 0;
    if (moved && block) memcpy(moved, block, room < bytes ? room : bytes);
    give(s, block);
    return moved;
}

/* ---- The data folder: without the journal ---- */

static char folder[FOLDER_TEXT];

static void remove_files(void)
{
    static const char *const names[] = {"crashes", "end", "process", "end.new", "process.new"};
    char path[FOLDER_TEXT + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
}

static pid_t owner;

static void remove_folder(void)
{
    if (getpid() != owner) return;
    remove_files();
    (void)rmdir(folder);
}

/* In memory where that can be had: a seed opens it several times. */
static void make_folder(void)
{
    static const char *const places[] = {"/dev/shm", "/tmp"};
    for (size_t i = 0; i < 2 && !folder[0]; i++) {
        (void)snprintf(folder, sizeof folder, "%s/stepwell-simulation-XXXXXX", places[i]);
        if (!mkdtemp(folder)) folder[0] = 0;
    }
    if (!folder[0]) abort();
    owner = getpid();
    (void)atexit(remove_folder);
}

/* ---- The world ---- */

void world_begin(uint64_t seed, bool talks)
{
    if (!w) {
        w = mmap(NULL, sizeof *w + SPACE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                 0);
        if (w == MAP_FAILED) abort();
        make_folder();
    }
    remove_files();
    memset(w, 0, sizeof *w + w->space.used);
    w->seed = seed;
    for (unsigned i = 0; i < RANDOMS; i++) w->random[i] = (seed + 1) * 0x9e3779b97f4a7c15U + i * 0x632be59bd9b4e019U;
    w->steady_ns = STEADY_FIRST_NS;
    w->ahead_ms = AHEAD_FIRST_MS;
    w->hash = 0xcbf29ce484222325U;
    w->talks = talks;
    memcpy(w->folder, folder, sizeof w->folder);
    w->disk = memory_disk_new_in(&(memory_space){.resize = resize, .arg = &w->space});
}

/* splitmix64 */
uint64_t world_random(randomness r)
{
    uint64_t z = w->random[r] += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

unsigned world_below(randomness r, unsigned n) { return n > 0 ? (unsigned)(world_random(r) % n) : 0; }
bool world_chance(randomness r, unsigned percent) { return world_below(r, 100) < percent; }

int64_t world_between(randomness r, int64_t least, int64_t most)
{
    uint64_t range = (uint64_t)(most - least) + 1;
    for (unsigned halvings = world_below(r, 5); halvings > 0 && range > 1; halvings--) range = (range + 1) / 2;
    return least + (int64_t)(world_random(r) % range);
}

void world_note(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0) abort();
    for (const char *p = text; *p; p++) w->hash = (w->hash ^ (unsigned char)*p) * 0x100000001b3U;
    w->hash = (w->hash ^ (uint64_t)w->steady_ns) * 0x100000001b3U;
    w->happened++;
    if (w->talks) printf("%u %10.3f  %s\n", w->epoch, (double)(w->steady_ns - STEADY_FIRST_NS) / 1e6, text);
}

run_record *world_run(const char *id)
{
    for (unsigned i = 0; i < w->run_count; i++)
        if (strcmp(w->runs[i].id, id) == 0) return &w->runs[i];
    return NULL;
}

run_record *world_run_make(const char *id, int of)
{
    run_record *r = world_run(id);
    if (r) {
        if (r->job < 0) r->job = (int16_t)of;
        return r;
    }
    if (w->run_count == RUNS_MAX) abort();
    r = &w->runs[w->run_count++];
    (void)snprintf(r->id, sizeof r->id, "%s", id);
    r->job = (int16_t)of;
    return r;
}

void world_exit(int code)
{
    coverage_leave();
    (void)fflush(stdout);
    w->left_with = code;
#if defined(CORO_VALGRIND)
    if (code == WORLD_CRASHED) (void)raise(SIGKILL); /* it has left everything, which Valgrind would call lost */
#endif
    _exit(code);
}

static void on_planned(int number)
{
    if (w->left_with == WORLD_CRASHED) world_exit(WORLD_CRASHED);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void world_expect_fault(void) { (void)signal(SIGILL, on_planned); }

void world_fault(const char *why)
{
    world_note("crash: %s", why);
    w->left_with = WORLD_CRASHED;
    (void)raise(SIGILL);
    abort();
}

void world_crash(const char *why)
{
    world_note("crash: %s", why);
    world_exit(WORLD_CRASHED);
}
