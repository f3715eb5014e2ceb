#include "runtime/recovery/occupant.h"

#include <assert.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };
_Static_assert((int)OCCUPANT_TEXT <= (int)PAGE, "a text lies in two pages at the most");

/* Copies a text that may be freed meanwhile: the kernel reads without a fault what is no longer there. */
static void occupant_copy_text(char to[OCCUPANT_TEXT], const char *from)
{
    to[0] = 0;
    if (!from) return;
    size_t first = PAGE - (uintptr_t)from % PAGE; /* the next page may not be there */
    if (first > OCCUPANT_TEXT - 1) first = OCCUPANT_TEXT - 1;
    struct iovec local = {to, OCCUPANT_TEXT - 1};
    struct iovec remote[2] = {{(void *)(uintptr_t)from, first},
                              {(void *)(uintptr_t)(from + first), OCCUPANT_TEXT - 1 - first}};
    ssize_t n = process_vm_readv(getpid(), &local, 1, remote, 2, 0);
    assert(n < OCCUPANT_TEXT);
    to[n > 0 ? n : 0] = 0;
}

/* Parts a label, which is "ROUTE run ID", or "ROUTE" alone of a plain route. */
static void occupant_split_label(occupant *o)
{
    char *id = NULL;
    for (char *at = o->label; (at = strstr(at, " run ")); at += 5) id = at;
    o->run = id ? id + 5 : "";
    if (id) *id = 0;
}

bool occupant_read(const sched *s, occupant *out)
{
    coro_about about = {0};
    uint64_t before = __atomic_load_n(&s->switches, __ATOMIC_ACQUIRE);
    *out = (occupant){.switches = before, .run = ""};
    if (before % 2 == 0) return true;
    if (sched_running(s, &about) != before) return false;
    occupant_copy_text(out->label, about.label);
    occupant_copy_text(out->step, about.activity);
    out->code = about.code;
    occupant_split_label(out);
    return __atomic_load_n(&s->switches, __ATOMIC_ACQUIRE) == before;
}
