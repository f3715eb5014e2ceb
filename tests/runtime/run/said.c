/* What was said is not said again: not by another thread, not when other texts were said meanwhile. A set that is full
 * ends no search, and takes nothing for new. */
#include "runtime/run/said.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/harness/check.h"

static said_set set;

static bool say(const char *what, const char *id)
{
    return said_is_new(&set, (const char *const[]){what, "GET /", "1", "2", id, NULL});
}

static void test_once(void)
{
    CHECK(say("input", "pay"));
    CHECK(!say("input", "pay"));
    CHECK(say("unasked", "pay"));
    CHECK(say("input", "mail"));
    CHECK(!say("input", "pay"));
    CHECK(!say("unasked", "pay"));
    CHECK(said_is_new(&set, (const char *const[]){"input", "GET /", "1", "3", "pay", NULL}));
    /* where one text ends and the next begins counts */
    CHECK(said_is_new(&set, (const char *const[]){"ab", "c", NULL}));
    CHECK(said_is_new(&set, (const char *const[]){"a", "bc", NULL}));
    CHECK(said_is_new(&set, (const char *const[]){"", NULL}));
    CHECK(!said_is_new(&set, (const char *const[]){"", NULL}));
}

enum { THREADS = 4, TEXTS = 500 };
static unsigned told[TEXTS];

static void *say_all(void *arg)
{
    char id[16];
    (void)arg;
    for (int i = 0; i < TEXTS; i++) {
        snprintf(id, sizeof id, "t%d", i);
        if (say("thread", id)) __atomic_add_fetch(&told[i], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_create(&threads[i], NULL, say_all, NULL), 0);
    for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < TEXTS; i++) CHECK_INT(told[i], 1);
}

/* Says more than there is room for. Returns how much of it was new. */
static int say_too_much(void)
{
    char id[16];
    int news = 0;
    for (int i = 0; i < SAID_CELLS * 2; i++) {
        snprintf(id, sizeof id, "f%d", i);
        news += say("full", id);
    }
    return news;
}

/* Log lines go to `to` until the next call. */
static void log_to(int to)
{
    static int before = -1;
    if (before < 0) before = dup(STDERR_FILENO);
    CHECK(dup2(to >= 0 ? to : before, STDERR_FILENO) == STDERR_FILENO);
}

static void test_full(void)
{
    static const char warning[] = "what is new from now on is not logged";
    char logged[4096] = "";
    FILE *log = tmpfile();
    CHECK(log);
    log_to(fileno(log));
    int news = say_too_much(), again = say_too_much();
    log_to(-1);
    CHECK(news > 0 && news <= SAID_CELLS / 2);
    CHECK_INT(again, 0);
    CHECK(pread(fileno(log), logged, sizeof logged - 1, 0) > 0);
    const char *at = strstr(logged, warning);
    CHECK(at && !strstr(at + 1, warning)); /* once is enough */
    fclose(log);
    CHECK(!say("input", "pay"));
    CHECK(set.count <= SAID_CELLS / 2);
}

static const check_case cases[] = {{"once", test_once}, {"from threads", test_threads}, {"when it is full", test_full}};
CHECK_MAIN(cases)
