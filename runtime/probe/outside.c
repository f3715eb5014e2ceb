/* outside: what a handler does outside Stepwell, by its own calls of time(), rand(), connect() and the like. In an
 * execution under --prove, and only there, functions of ours stand in for these in the program and its own shared
 * objects (imports.h). They report a call by a handler, and pass it on; calls from outside a coroutine, or by Stepwell
 * itself, get what the C library returns.
 *
 * A handler's direct reads of a clock or of random numbers get another value at each crash point: time() would
 * otherwise return one second during the whole proof, and hide the difference. A static program has no imports: its
 * direct reads are not named, but differences that they make are found. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/code_place.h"
#include "runtime/probe/imports.h"
#include "runtime/probe/probe_core.h"
#include "runtime/run/ctx.h"

enum { TOLD_MAX = 256, SHIFT_S = 86400 + 3600 + 60 + 1 };

_Static_assert(SHIFT_S > 86400, "dates differ, too, from one crash point to the next");

static unsigned crash_point; /* which crash point this is */

/* ---- Who calls ---- */

extern const char __start_stepwell_readers[] __attribute__((weak, visibility("hidden")));
extern const char __stop_stepwell_readers[] __attribute__((weak, visibility("hidden")));

/* Returns the innermost context if code of a handler or of its steps is the caller; NULL: anybody else is. */
static const sw_ctx *handler_of(const void *caller)
{
    const char *at = caller;
    const sw_ctx *c = ctx_current();
    if (!c || !c->run) return NULL;
    return at >= __start_stepwell_readers && at < __stop_stepwell_readers ? NULL : c;
}

void outside_locate(fact *f, const void *code)
{
    code_place p;
    if (!code_place_find(code, &p)) return;
    f->data = probe_text(p.file);
    f->hash = p.address - 1; /* within the call instruction: a return address lies behind it */
}

static void outside_tell(const sw_ctx *c, fact_kind kind, const char *function, const void *caller)
{
    static const void *told[TOLD_MAX]; /* return addresses that were reported; of the loop's thread alone */
    static unsigned count;
    assert(c->run);
    assert(c->kind != CTX_STEP);
    assert(caller);
    for (unsigned i = 0; i < count; i++)
        if (told[i] == caller) return;
    if (count == TOLD_MAX) return; /* a page with more locations helps nobody */
    told[count++] = caller;
    fact f = probe_fact(c, kind);
    f.text = probe_text(function);
    outside_locate(&f, caller);
    fact_tell(&f);
}

/* Reports a read by a handler outside steps. Returns whether the value has to differ from that of other executions:
 * for all code of handlers and steps, so that a key made from a clock in a step is seen to differ each time. */
static bool handler_reads(const char *function, const void *caller)
{
    const sw_ctx *c = handler_of(caller);
    if (c && c->kind != CTX_STEP) outside_tell(c, FACT_READ, function, caller);
    return c != NULL;
}

/* Reports an effect by a handler outside steps. */
static void handler_acts(const char *function, const void *caller)
{
    const sw_ctx *c = handler_of(caller);
    if (c && c->kind != CTX_STEP) outside_tell(c, FACT_EFFECT, function, caller);
}

void probe_misuse(const sw_ctx *c, const char *function, const void *caller)
{
    outside_tell(c, FACT_MISUSE, function, caller);
}

#define CALLER __builtin_return_address(0)

/* The replaced functions, by their names. */
static struct {
    time_t (*time)(time_t *);
    int (*gettimeofday)(struct timeval *, void *);
    int (*clock_gettime)(clockid_t, struct timespec *);
    int (*timespec_get)(struct timespec *, int);
    int (*rand)(void);
    long (*random)(void);
    int (*rand_r)(unsigned *);
    double (*drand48)(void);
    long (*lrand48)(void);
    ssize_t (*getrandom)(void *, size_t, unsigned);
    int (*getentropy)(void *, size_t);
    uint32_t (*arc4random)(void);
    uint32_t (*arc4random_uniform)(uint32_t);
    void (*arc4random_buf)(void *, size_t);
    int (*RAND_bytes)(unsigned char *, int);
    void (*uuid_generate)(unsigned char *);
    int (*connect)(int, const struct sockaddr *, socklen_t);
    ssize_t (*send)(int, const void *, size_t, int);
    ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    FILE *(*fopen)(const char *, const char *);
    FILE *(*fopen64)(const char *, const char *);
    FILE *(*popen)(const char *, const char *);
    int (*system)(const char *);
    int (*unlink)(const char *);
    int (*rename)(const char *, const char *);
    int (*mkdir)(const char *, mode_t);
    pid_t (*fork)(void);
    int (*curl_easy_perform)(void *);
    int (*sqlite3_step)(void *);
    int (*sqlite3_exec)(void *, const char *, void *, void *, void *);
    void *(*PQexec)(void *, const char *);
} real;

/* ---- Clocks ---- */

static time_t our_time(time_t *to)
{
    time_t now = real.time(NULL);
    if (handler_reads("time", CALLER)) now += (time_t)crash_point * SHIFT_S;
    if (to) *to = now;
    return now;
}

static int our_gettimeofday(struct timeval *to, void *zone)
{
    int rc = real.gettimeofday(to, zone);
    if (handler_reads("gettimeofday", CALLER) && to) to->tv_sec += (time_t)crash_point * SHIFT_S;
    return rc;
}

static int our_clock_gettime(clockid_t id, struct timespec *to)
{
    int rc = real.clock_gettime(id, to);
    if (handler_reads("clock_gettime", CALLER) && rc == 0) to->tv_sec += (time_t)crash_point * SHIFT_S;
    return rc;
}

static int our_timespec_get(struct timespec *to, int base)
{
    int rc = real.timespec_get(to, base);
    if (handler_reads("timespec_get", CALLER) && rc != 0) to->tv_sec += (time_t)crash_point * SHIFT_S;
    return rc;
}

/* ---- Random numbers ---- */

static uint64_t random_mix(uint64_t value) { return value ^ (uint64_t)crash_point * 0x9e3779b97f4a7c15u >> 7; }

static int our_rand(void)
{
    int value = real.rand();
    return handler_reads("rand", CALLER) ? (int)(random_mix((uint64_t)value) & INT32_MAX) : value;
}

static long our_random(void)
{
    long value = real.random();
    return handler_reads("random", CALLER) ? (long)(random_mix((uint64_t)value) & INT32_MAX) : value;
}

static int our_rand_r(unsigned *seed)
{
    (void)handler_reads("rand_r", CALLER);
    return real.rand_r(seed);
}

static double our_drand48(void)
{
    double value = real.drand48();
    if (!handler_reads("drand48", CALLER)) return value;
    value += (double)(random_mix(0) & 1023) / 1024;
    return value < 1 ? value : value - 1;
}

static long our_lrand48(void)
{
    long value = real.lrand48();
    return handler_reads("lrand48", CALLER) ? (long)(random_mix((uint64_t)value) & INT32_MAX) : value;
}

static ssize_t our_getrandom(void *to, size_t len, unsigned flags)
{
    (void)handler_reads("getrandom", CALLER);
    return real.getrandom(to, len, flags);
}

static int our_getentropy(void *to, size_t len)
{
    (void)handler_reads("getentropy", CALLER);
    return real.getentropy(to, len);
}

static uint32_t our_arc4random(void)
{
    (void)handler_reads("arc4random", CALLER);
    return real.arc4random();
}

static uint32_t our_arc4random_uniform(uint32_t bound)
{
    (void)handler_reads("arc4random_uniform", CALLER);
    return real.arc4random_uniform(bound);
}

static void our_arc4random_buf(void *to, size_t len)
{
    (void)handler_reads("arc4random_buf", CALLER);
    real.arc4random_buf(to, len);
}

static int our_RAND_bytes(unsigned char *to, int len)
{
    (void)handler_reads("RAND_bytes", CALLER);
    return real.RAND_bytes(to, len);
}

static void our_uuid_generate(unsigned char *to)
{
    (void)handler_reads("uuid_generate", CALLER);
    real.uuid_generate(to);
}

/* ---- What is done ---- */

static int our_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    handler_acts("connect", CALLER);
    return real.connect(fd, to, len);
}

static ssize_t our_send(int fd, const void *data, size_t len, int flags)
{
    handler_acts("send", CALLER);
    return real.send(fd, data, len, flags);
}

static ssize_t our_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    handler_acts("sendto", CALLER);
    return real.sendto(fd, data, len, flags, to, to_len);
}

static FILE *our_fopen(const char *path, const char *mode)
{
    if (strpbrk(mode, "wa+")) handler_acts("fopen", CALLER);
    return real.fopen(path, mode);
}

static FILE *our_fopen64(const char *path, const char *mode)
{
    if (strpbrk(mode, "wa+")) handler_acts("fopen", CALLER);
    return real.fopen64(path, mode);
}

static FILE *our_popen(const char *command, const char *mode)
{
    handler_acts("popen", CALLER);
    return real.popen(command, mode);
}

static int our_system(const char *command)
{
    handler_acts("system", CALLER);
    return real.system(command);
}

static int our_unlink(const char *path)
{
    handler_acts("unlink", CALLER);
    return real.unlink(path);
}

static int our_rename(const char *from, const char *to)
{
    handler_acts("rename", CALLER);
    return real.rename(from, to);
}

static int our_mkdir(const char *path, mode_t mode)
{
    handler_acts("mkdir", CALLER);
    return real.mkdir(path, mode);
}

static pid_t our_fork(void)
{
    handler_acts("fork", CALLER);
    return real.fork();
}

static int our_curl_easy_perform(void *handle)
{
    handler_acts("curl_easy_perform", CALLER);
    return real.curl_easy_perform(handle);
}

static int our_sqlite3_step(void *statement)
{
    handler_acts("sqlite3_step", CALLER);
    return real.sqlite3_step(statement);
}

static int our_sqlite3_exec(void *db, const char *sql, void *callback, void *arg, void *error)
{
    handler_acts("sqlite3_exec", CALLER);
    return real.sqlite3_exec(db, sql, callback, arg, error);
}

static void *our_PQexec(void *connection, const char *query)
{
    handler_acts("PQexec", CALLER);
    return real.PQexec(connection, query);
}

/* ---- Putting them in place ---- */

#define OURS(name) {#name, (void *)(uintptr_t)our_##name, (void **)&real.name}
static const import imported[] = {OURS(time),
                                  OURS(gettimeofday),
                                  OURS(clock_gettime),
                                  OURS(timespec_get),
                                  OURS(rand),
                                  OURS(random),
                                  OURS(rand_r),
                                  OURS(drand48),
                                  OURS(lrand48),
                                  OURS(getrandom),
                                  OURS(getentropy),
                                  OURS(arc4random),
                                  OURS(arc4random_uniform),
                                  OURS(arc4random_buf),
                                  OURS(RAND_bytes),
                                  OURS(uuid_generate),
                                  OURS(connect),
                                  OURS(send),
                                  OURS(sendto),
                                  OURS(fopen),
                                  OURS(popen),
                                  OURS(system),
                                  OURS(unlink),
                                  OURS(rename),
                                  OURS(mkdir),
                                  OURS(fork),
                                  OURS(curl_easy_perform),
                                  OURS(sqlite3_step),
                                  OURS(sqlite3_exec),
                                  OURS(PQexec),
                                  OURS(fopen64)};

void outside_watch(unsigned crash)
{
    assert(probe_on);
    crash_point = crash;
    imports_replace(imported, sizeof imported / sizeof imported[0]);
}
