/* Coroutines: order, many, deep, overflowing; what a switch keeps; what the pool gives back. */
#include <errno.h>
#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coro/coro.h"
#include "coro/sanitize.h"
#include "coro/sched.h"
#include "coro/stack.h"
#include "tests/harness/check.h"

static bool on_valgrind(void)
{
#if defined(CORO_VALGRIND)
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

static stack_pool *pool;
static char order[256];
static char a_name[] = "a", b_name[] = "b", x_name[] = "x", y_name[] = "y", never_name[] = "never";

static void note(const char *text) { strcat(order, text); }

static void begin(size_t stack_size, size_t stacks_max, size_t warm_max)
{
    pool = stack_pool_new(
        &(stack_pool_options){.stack_size_bytes = stack_size, .stacks_max = stacks_max, .warm_max = warm_max});
    CHECK(pool);
    order[0] = 0;
}

static void end(void)
{
    CHECK_INT(stack_pool_in_use(pool), 0);
    stack_pool_free(pool);
}

/* ---- Order ---- */

static void two_halves(void *arg)
{
    note(arg);
    CHECK(coro_current());
    coro_suspend();
    note(arg);
}

static void test_order(void)
{
    begin(0, 0, 0);
    coro *a = coro_create(pool, two_halves, a_name), *b = coro_create(pool, two_halves, b_name);
    CHECK(a && b && !coro_current());
    coro_resume(a);
    coro_resume(b);
    note("|");
    CHECK(!coro_finished(a));
    coro_resume(b);
    coro_resume(a);
    CHECK_STR(order, "ab|ba");
    CHECK(coro_finished(a) && coro_finished(b));
    coro_destroy(a);
    coro_destroy(b);
    end();
}

static sched ready;

static void yields(void *arg)
{
    for (int i = 0; i < 3; i++) {
        note(arg);
        sched_ready(&ready, coro_current());
        coro_suspend();
    }
}

static void test_sched(void)
{
    begin(0, 0, 0);
    sched_init(&ready);
    sched_ready(&ready, coro_create(pool, yields, x_name));
    coro *y = coro_create(pool, yields, y_name);
    sched_ready(&ready, y);
    sched_ready(&ready, y); /* once is enough */
    CHECK_INT(ready.ready, 2);
    CHECK_INT(sched_run(&ready, 3), 3);
    CHECK_STR(order, "xyx");
    coro *never = coro_create(pool, yields, never_name);
    sched_ready(&ready, never);
    sched_remove(&ready, never);
    coro_destroy(never); /* one that never ran */
    (void)sched_run(&ready, 0);
    CHECK_STR(order, "xyxyxy");
    end();
}

/* ---- Many and deep ---- */

static size_t alive;

static void stays(void *arg)
{
    volatile char touched[512];
    touched[0] = (char)(intptr_t)arg;
    alive++;
    coro_suspend();
    CHECK(touched[0] == (char)(intptr_t)arg);
    alive--;
}

static void many(bool heavy_guards)
{
    const size_t count = SANITIZED || on_valgrind() ? 2000 : 100000;
    coro **all = calloc(count, sizeof(coro *));
    pool = stack_pool_new(&(stack_pool_options){.heavy_guards = heavy_guards});
    CHECK(pool && all);
    for (size_t i = 0; i < count; i++) {
        all[i] = coro_create(pool, stays, (void *)i);
        if (!all[i]) printf("# after %zu: %s\n", i, strerror(errno));
        CHECK(all[i]);
        coro_resume(all[i]);
    }
    CHECK_INT(alive, count);
    CHECK_INT(stack_pool_in_use(pool), count);
    for (size_t i = 0; i < count; i++) coro_resume(all[i]);
    CHECK_INT(alive, 0);
    for (size_t i = 0; i < count; i++) coro_destroy(all[i]);
    free(all);
    end();
}

static void test_many(void) { many(false); }
static void test_many_heavy(void) { many(true); } /* more than the process may have mappings for */

/* Frame addresses: a sanitizer may put locals elsewhere. */
static __attribute__((noinline)) int descend(const char *bottom, size_t bytes)
{
    volatile char here[256];
    here[0] = 1;
    if ((size_t)(bottom - (const char *)__builtin_frame_address(0)) > bytes) return here[0];
    return descend(bottom, bytes) + here[0];
}

static void goes_deep(void *arg)
{
    CHECK(descend(__builtin_frame_address(0), *(size_t *)arg) > 10);
    note("deep");
}

static void test_deep(void)
{
    begin(65536, 0, 0);
    size_t bytes = 65536 - 6000;
    coro *c = coro_create(pool, goes_deep, &bytes);
    coro_resume(c);
    CHECK_STR(order, "deep");
    coro_destroy(c);
    end();
}

/* ---- Overflow ---- */

static void overflows(void *arg) { (void)descend(__builtin_frame_address(0), *(size_t *)arg); }

static void overflow_by(size_t bytes)
{
    coro *c = coro_create(pool, overflows, &bytes);
    coro_set_label(c, "GET /deep run 01TEST");
    coro_resume(c);
    coro_destroy(c);
}

static void overflow_guarded(bool heavy_guards)
{
    pool = stack_pool_new(&(stack_pool_options){.stack_size_bytes = 65536, .heavy_guards = heavy_guards});
    overflow_by(1 << 20);
}

/* Code without stack clash protection: a frame of 70 KiB, of which only the lowest byte is touched. */
static void writes_far_below(void *arg)
{
    (void)arg;
    volatile char *frame = (volatile char *)__builtin_frame_address(0);
    frame[-70 * 1024] = 1;
}

/* A frame of 1 MiB, which is beyond the guard and in other stacks. */
static void has_large_frame(void *arg)
{
    volatile char frame[1 << 20];
    frame[0] = arg != NULL;
    (void)frame[0];
}

static void overflow_at_once(bool heavy_guards, coro_fn fn)
{
    pool = stack_pool_new(&(stack_pool_options){.stack_size_bytes = 65536, .heavy_guards = heavy_guards});
    for (int i = 0; i < 15; i++) CHECK(coro_create(pool, fn, NULL)); /* they lie below the last one of a mapping */
    coro *c = coro_create(pool, fn, NULL);
    coro_set_label(c, "GET /deep run 01TEST");
    coro_resume(c);
}

static void overflow_far(bool heavy_guards) { overflow_at_once(heavy_guards, writes_far_below); }
static void overflow_large_frame(bool heavy_guards) { overflow_at_once(heavy_guards, has_large_frame); }

/* A few frames into the page below a stack for which no guard was left. */
static void overflow_unguarded(bool heavy_guards)
{
    pool = stack_pool_new(&(stack_pool_options){.stack_size_bytes = 65536, .heavy_guards = heavy_guards});
    for (int i = 0; i < 50000; i++) CHECK(coro_create(pool, overflows, NULL));
    overflow_by(65536 + 500);
}

static void expect_report(void (*overflow)(bool), bool heavy_guards, int ends_by)
{
    int fds[2], status;
    char said[4096] = "";
    CHECK(pipe(fds) == 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        overflow_install(NULL);
        CHECK(overflow_thread_enter());
        overflow(heavy_guards);
        _exit(0);
    }
    close(fds[1]);
    for (ssize_t n, len = 0; (n = read(fds[0], said + len, sizeof said - 1 - (size_t)len)) > 0;) said[len += n] = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    close(fds[0]);
    if (!strstr(said, "GET /deep run 01TEST")) printf("# it said: %s\n", said);
    CHECK(strstr(said, "GET /deep run 01TEST") && strstr(said, "stack"));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == ends_by);
}

static void test_overflow(void)
{
    expect_report(overflow_guarded, false, SIGSEGV);
    expect_report(overflow_guarded, true, SIGSEGV);
    expect_report(overflow_far, false, SIGSEGV);
    expect_report(overflow_far, true, SIGSEGV);
#if defined(STACK_CLASH_PROTECTION)
    expect_report(overflow_large_frame, false, SIGSEGV);
    expect_report(overflow_large_frame, true, SIGSEGV);
#endif
    if (!on_valgrind()) expect_report(overflow_unguarded, true, SIGABRT);
}

/* ---- What a switch keeps ---- */

static void rounds_up(void *arg)
{
    (void)arg;
    CHECK(fegetround() == FE_TONEAREST);
    CHECK(fesetround(FE_UPWARD) == 0);
    coro_suspend();
    CHECK(fegetround() == FE_UPWARD);
}

static void computes(void *arg)
{
    double *sum = arg;
    for (int i = 1; i <= 100; i++) {
        *sum += 1.0 / i;
        coro_suspend();
    }
}

static void test_floating_point(void)
{
    begin(0, 0, 0);
    coro *up = coro_create(pool, rounds_up, NULL);
    coro_resume(up);
    CHECK(fegetround() == FE_TONEAREST);
    coro_resume(up);
    CHECK(fegetround() == FE_TONEAREST);
    coro_destroy(up);
    double a = 0, b = 0, expected = 0;
    coro *one = coro_create(pool, computes, &a), *other = coro_create(pool, computes, &b);
    for (int i = 0; i <= 100; i++) {
        coro_resume(one);
        coro_resume(other);
    }
    for (int i = 1; i <= 100; i++) expected += 1.0 / i;
    CHECK(a == expected && b == expected);
    coro_destroy(one);
    coro_destroy(other);
    end();
}

static void traces(void *arg)
{
    void *frames[64];
    *(int *)arg = backtrace(frames, 64);
}

static void test_backtrace(void)
{
    int depth = 0;
    begin(0, 0, 0);
    coro *c = coro_create(pool, traces, &depth);
    coro_resume(c);
    CHECK(depth >= 1 && depth < 8); /* it ends at the coroutine's first function */
    coro_destroy(c);
    end();
}

/* ---- The pool ---- */

static void where(void *arg)
{
    char here;
    *(uintptr_t *)arg = (uintptr_t)&here;
}

static uintptr_t stack_of_next(void)
{
    uintptr_t at = 0;
    coro *c = coro_create(pool, where, &at);
    CHECK(c);
    coro_resume(c);
    coro_destroy(c);
    return at;
}

static size_t resident_pages(void)
{
    size_t total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%zu %zu", &total, &resident) == 2 && fclose(f) == 0);
    return resident;
}

static void touches(void *arg)
{
    (void)descend(__builtin_frame_address(0), *(size_t *)arg);
    coro_suspend();
}

static void test_pool(void)
{
    enum { COUNT = 500 };
    static coro *all[COUNT];
    size_t bytes = 48000;
    begin(0, 0, 16);
    uintptr_t first = stack_of_next();
    if (!SANITIZED) CHECK(stack_of_next() == first); /* released last, handed out first */
    for (int i = 0; i < COUNT; i++) CHECK(all[i] = coro_create(pool, touches, &bytes));
    for (int i = 0; i < COUNT; i++) coro_resume(all[i]);
    size_t full = resident_pages();
    for (int i = 0; i < COUNT; i++) coro_resume(all[i]);
    for (int i = 0; i < COUNT; i++) coro_destroy(all[i]);
    size_t kept = resident_pages();
    stack_pool_trim(pool);
    CHECK(SANITIZED || kept - resident_pages() < COUNT); /* a few at a time: they may be wanted again at once */
    for (int i = 0; i < COUNT; i++) stack_pool_trim(pool);
    size_t after = resident_pages();
    if (!SANITIZED && !on_valgrind()) {
        printf("# %zu pages resident with %d used stacks, %zu after\n", full, COUNT, after);
        CHECK(full - after > COUNT * 6);
    }
    end();
    begin(0, 3, 0);
    for (int i = 0; i < 3; i++) CHECK(all[i] = coro_create(pool, touches, &bytes));
    errno = 0;
    CHECK(!coro_create(pool, touches, &bytes));
    CHECK_INT(errno, ENOMEM);
    for (int i = 0; i < 3; i++) coro_destroy(all[i]);
    end();
    begin(100000, 0, 0);
    CHECK(stack_pool_stack_size(pool) >= 100000 && stack_pool_stack_size(pool) % 4096 == 0);
    end();
}

static void *on_thread(void *arg)
{
    stack_pool *own = stack_pool_new(&(stack_pool_options){.warm_max = 4});
    for (int i = 0; i < 200; i++) {
        uintptr_t at;
        coro *c = coro_create(own, where, &at);
        coro_resume(c);
        coro_destroy(c);
    }
    stack_pool_free(own);
    return arg;
}

static void test_threads(void)
{
    pthread_t all[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&all[i], NULL, on_thread, NULL) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(all[i], NULL) == 0);
}

static const check_case cases[] = {{"suspend and resume", test_order},
                                   {"the ready queue", test_sched},
                                   {"a hundred thousand alive", test_many},
                                   {"as many with heavy guards", test_many_heavy},
                                   {"deep recursion", test_deep},
                                   /* sanitizers report overflows themselves */
                                   {"an overflow is named", SANITIZED ? NULL : test_overflow},
                                   {"floating-point state", test_floating_point},
                                   {"backtraces end", test_backtrace},
                                   {"stacks are reused and given back", test_pool},
                                   {"a pool each thread", test_threads}};
CHECK_MAIN(cases)
