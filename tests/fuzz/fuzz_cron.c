/* Fuzzes the reading of schedules: whatever is written gives points that ascend, or a reason; the newest point before
 * a point's end is that point. The first byte chooses the time zone, the next six where to begin. */
#include <stdlib.h>
#include <string.h>

#include "runtime/flow/cron.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

static void look(const cron *c, int64_t from_ms)
{
    int64_t at_ms = cron_next(c, from_ms), first_ms = at_ms;
    for (int i = 0; i < 8 && at_ms != CRON_NEVER; i++) {
        int64_t next_ms = cron_next(c, at_ms);
        require(next_ms > at_ms && at_ms % 1000 == 0);
        require(cron_newest(c, at_ms - 1, at_ms) == at_ms);
        require(cron_newest(c, from_ms, next_ms == CRON_NEVER ? at_ms : next_ms - 1) == at_ms);
        at_ms = next_ms;
    }
    require(first_ms == CRON_NEVER || first_ms > from_ms);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const zones[] = {NULL, "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"};
    char text[300], why[512];
    int64_t from_ms = 0;
    if (size < 7 || size - 7 >= sizeof text) return 0;
    for (int i = 1; i < 7; i++) from_ms = from_ms << 8 | data[i];
    memcpy(text, data + 7, size - 7);
    text[size - 7] = 0;
    why[0] = 0;
    cron *c = cron_new(text, zones[data[0] % 4], why, sizeof why);
    require(c || *why);
    if (c) look(c, from_ms);
    cron_free(c);
    return 0;
}
