/* check: the test programs' assertions. Each program is a list of cases, run in order, reported as TAP on standard
 * output. Not a library's: a failed check must be safe inside a coroutine, where unwinding by longjmp to another stack
 * (as cmocka and its like do) is undefined, so it ends the process with a message. */
#ifndef TESTS_HARNESS_CHECK_H
#define TESTS_HARNESS_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* How long a test waits for what has to come before it says that it did not: the same for all tests and kinds of
 * builds, and long, since machines are slow and busy. It is less than meson gives to a test as a whole
 * (tests/meson.build; script/test gives more under sanitizers and Valgrind). No test ends itself by an alarm, but for
 * the simulation, which looks for hangs. Nothing is judged by how long it took. */
enum { PATIENCE_MS = 240000 };

static int check_case_number; /* the case that runs, from 1 */

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("not ok %d - %s:%d: %s\n", check_case_number, __FILE__, __LINE__, #condition);                      \
            fflush(stdout);                                                                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#define CHECK_INT(actual, expected)                                                                                    \
    do {                                                                                                               \
        long long check_a = (long long)(actual), check_e = (long long)(expected);                                      \
        if (check_a != check_e) {                                                                                      \
            printf("not ok %d - %s:%d: %s is %lld, not %lld\n", check_case_number, __FILE__, __LINE__, #actual,        \
                   check_a, check_e);                                                                                  \
            fflush(stdout);                                                                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#define CHECK_STR(actual, expected)                                                                                    \
    do {                                                                                                               \
        const char *check_a = (actual), *check_e = (expected);                                                         \
        if (!check_a || strcmp(check_a, check_e) != 0) {                                                               \
            printf("not ok %d - %s:%d: %s is \"%s\", not \"%s\"\n", check_case_number, __FILE__, __LINE__, #actual,    \
                   check_a ? check_a : "(null)", check_e);                                                             \
            fflush(stdout);                                                                                            \
            _Exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

typedef struct check_case {
    const char *name;
    void (*fn)(void); /* NULL: what the case proves does not exist in this build, so it is not counted either */
} check_case;

/* TSan leaves out a test that says that it has one thread (tests/meson.build). */
static inline bool check_was_single(void)
{
#if !defined(__SANITIZE_THREAD__)
    if (!getenv("CHECK_SINGLE") || __libc_single_threaded) return true;
    printf("Bail out! a second thread was here, and this test is of the suite single\n");
    return false;
#else
    return true;
#endif
}

/* Runs them in order; with an argument only the case of that name. */
static inline int check_run(const check_case *cases, size_t count, int argc, char **argv)
{
    size_t planned = 0;
    for (size_t i = 0; i < count; i++) planned += cases[i].fn != NULL;
    printf("1..%zu\n", argc > 1 ? (size_t)1 : planned);
    for (size_t i = 0; i < count; i++) {
        if (!cases[i].fn || (argc > 1 && strcmp(argv[1], cases[i].name) != 0)) continue;
        check_case_number++;
        cases[i].fn();
        printf("ok %d - %s\n", check_case_number, cases[i].name);
        fflush(stdout);
    }
    return check_case_number > 0 && check_was_single() ? 0 : 1;
}

#define CHECK_MAIN(cases)                                                                                              \
    int main(int argc, char **argv) { return check_run(cases, sizeof(cases) / sizeof((cases)[0]), argc, argv); }

#endif
