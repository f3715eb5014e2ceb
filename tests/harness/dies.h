/* dies: what ends the process is done in a child, whose end and last words the test compares. */
#ifndef TESTS_HARNESS_DIES_H
#define TESTS_HARNESS_DIES_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/check.h"

/* fn() aborts, and has written `says`, and nothing else, to standard error. */
static inline void check_dies(void (*fn)(void), const char *says)
{
    char text[512] = "";
    int ends[2], status;
    CHECK(pipe(ends) == 0);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, sizeof text - 1 - len)) > 0;) len += (size_t)n;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_STR(text, says);
}

#endif
