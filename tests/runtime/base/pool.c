/* Threads beside the loops: what they are given is done, and they end with the pool, whatever they were about to do. */
#include "runtime/base/pool.h"

#include <unistd.h>

#include "tests/harness/check.h"

enum { JOBS = 2, LATE_US = 100000 };

/* The second thread of a pool comes late: the first one does its job (the linker's --wrap). */
bool __real_overflow_thread_enter(void);
bool __wrap_overflow_thread_enter(void);

static unsigned threads_begun; /* atomic */

bool __wrap_overflow_thread_enter(void)
{
    if (__atomic_add_fetch(&threads_begun, 1, __ATOMIC_SEQ_CST) == 2) usleep(LATE_US);
    return __real_overflow_thread_enter();
}

static unsigned worked, submitted; /* atomic */
static unsigned done;
static bool closed;

/* Until all jobs are there the first thread has one, so that the second job needs a second thread. */
static void work(pool_job *j)
{
    (void)j;
    while (__atomic_load_n(&submitted, __ATOMIC_SEQ_CST) < JOBS) usleep(100);
    __atomic_add_fetch(&worked, 1, __ATOMIC_SEQ_CST);
}

static void on_done(pool_job *j)
{
    (void)j;
    done++;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static void test_late_thread(void)
{
    uv_loop_t loop;
    pool_door door;
    pool_job jobs[JOBS] = {{.work = work, .done = on_done}, {.work = work, .done = on_done}};
    CHECK(uv_loop_init(&loop) == 0);
    pool *p = pool_new(JOBS);
    CHECK(p && pool_door_open(&door, p, &loop));
    for (int i = 0; i < JOBS; i++) {
        CHECK(pool_submit(&door, &jobs[i]));
        __atomic_add_fetch(&submitted, 1, __ATOMIC_SEQ_CST);
    }
    while (done < JOBS) (void)uv_run(&loop, UV_RUN_ONCE);
    CHECK_INT(__atomic_load_n(&worked, __ATOMIC_SEQ_CST), JOBS);
    pool_door_close(&door, on_closed, NULL);
    while (!closed) (void)uv_run(&loop, UV_RUN_ONCE);
    pool_free(p);
    CHECK_INT(threads_begun, JOBS);
    CHECK(uv_loop_close(&loop) == 0);
}

static const check_case cases[] = {{"a thread that comes too late for its job", test_late_thread}};
CHECK_MAIN(cases)
