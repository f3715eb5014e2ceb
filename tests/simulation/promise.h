/* promise: a promise of Stepwell by its name. Each is looked at in one place. */
#ifndef TESTS_SIMULATION_PROMISE_H
#define TESTS_SIMULATION_PROMISE_H

#include <stdbool.h>

/* Ends the process unless the promise is kept: w->broken says which was not, and what was seen. */
#define PROMISE(name, kept, ...)                                                                                       \
    do {                                                                                                               \
        if (!(kept)) promise_broken(name, __VA_ARGS__);                                                                \
    } while (0)

__attribute__((noreturn, format(printf, 2, 3))) void promise_broken(const char *name, const char *format, ...);

#endif
