#include "runtime/base/want.h"

#include <stdio.h>
#include <unistd.h>

static void (*want_leave)(void);

void want_on_end(void (*leave)(void)) { __atomic_store_n(&want_leave, leave, __ATOMIC_RELEASE); }

/* Ends by _exit(): exit() would free what other threads are working with. */
void want_end(const char *what)
{
    void (*leave)(void) = __atomic_load_n(&want_leave, __ATOMIC_ACQUIRE);
    (void)fprintf(stderr, "stepwell: out of memory for %s: the process ends, and its runs go on in the next\n", what);
    if (leave) leave();
    _exit(WANT_EXIT);
}
